/**
 * The view's settings and its theme, from the live widget to the saved page that takes its place in the notebook. The kernel cannot
 * carry them: it is busy until the cell's end, and then the page is written at once. So the page asks the window it is
 * in, and the widget that was there answers for its stream. Settings are plain values and are checked as such. A
 * sandboxed page cannot see the theme of the notebook around it either: without an answer it follows the system's.
 */
import type { Settings } from "../model/settings";
import { sameSettings, settingsFrom } from "../model/settings";
import type { Source } from "../source";
import type { Explorer } from "./explorer";

/** How long a view that has gone answers for. */
const OFFERED_MS = 30_000;
/** When the page asks, after its start. */
const ASK_MS = [0, 300, 1500];

interface Message {
  readonly nbspy?: unknown;
  readonly stream?: unknown;
  readonly view?: unknown;
  readonly theme?: unknown;
}

/** Answers a page that shows the stream called `stream` with what its view was set to, and the theme it was shown in. */
export function offerView(stream: string, settings: Settings, theme: string | undefined): void {
  if (!stream) return;
  const answer = (event: MessageEvent<Message | null>): void => {
    if (event.data?.nbspy !== "ask" || event.data.stream !== stream) return;
    // The page has no origin of its own to name.
    event.source?.postMessage({ nbspy: "view", stream, view: settings, theme }, { targetOrigin: "*" });
  };
  addEventListener("message", answer);
  setTimeout(() => removeEventListener("message", answer), OFFERED_MS);
}

/** Asks the window around the page, if there is one, what the view was set to. */
export function askForView(source: Source, explorer: Explorer): void {
  if (parent === window) return;
  const untouched = explorer.state.settings;
  const listen = (event: MessageEvent<Message | null>): void => {
    if (event.source !== parent || event.data?.nbspy !== "view" || event.data.stream !== source.identity) return;
    removeEventListener("message", listen);
    const { theme } = event.data;
    if (theme === "light" || theme === "dark") explorer.setTheme(theme);
    if (sameSettings(untouched, explorer.state.settings)) explorer.state.apply(settingsFrom(event.data.view));
  };
  addEventListener("message", listen);
  let asked = 0;
  const leave = source.onChange(() => {
    if (!source.identity || asked) return;
    asked = 1;
    for (const delay of ASK_MS) setTimeout(() => parent.postMessage({ nbspy: "ask", stream: source.identity }, "*"), delay);
  });
  setTimeout(() => {
    leave();
    removeEventListener("message", listen);
  }, OFFERED_MS);
}
