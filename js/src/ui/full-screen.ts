/** The view on all of the screen, and back in its page. */
import type { Explorer } from "./explorer";

/** Goes there or back. A page inside of another may not, unless it was given leave. */
export function toggleFullScreen(explorer: Explorer): void {
  if (document.fullscreenElement) void document.exitFullscreen();
  else if (document.fullscreenEnabled) void explorer.root.requestFullscreen();
  else explorer.say("This page may not fill the screen", true);
}
