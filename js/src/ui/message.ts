/** What stands in the chart's place while there is nothing to draw, and what went wrong. */
import { plural } from "../model/format";
import { tame, tameLines } from "../model/names";
import type { ViewState } from "../model/view-state";
import type { Source } from "../source";
import { button, el, show } from "./dom";

interface Content {
  readonly title: string;
  readonly text: string;
  readonly clear?: boolean;
}

export class Message {
  readonly element = el("div", "nbspy-message");
  private shown = "";

  constructor(private readonly source: Source, private readonly state: ViewState) {
    this.element.hidden = true;
    this.element.setAttribute("role", "status");
  }

  update(waitedSeconds: number): void {
    const content = this.content(waitedSeconds);
    show(this.element, content !== null);
    const key = content ? `${content.title} ${content.text}` : "";
    if (key === this.shown) return;
    this.shown = key;
    if (!content) return;
    const parts: HTMLElement[] = [el("strong", "", content.title), el("p", "", content.text)];
    if (content.clear) {
      parts.push(button("nbspy-chip", "Show everything", "Show everything", () => {
        this.state.change({ rules: [], threads: [], time: null, mode: "all", idlers: false });
      }));
    }
    this.element.dataset["look"] = this.source.state;
    this.element.classList.toggle("nbspy-corner", this.state.total[0]! > 0);
    this.element.replaceChildren(...parts);
  }

  private content(waitedSeconds: number): Content | null {
    const { failure, local, lost, profile, state } = this.source;
    const { end, hello } = profile;
    if (failure !== null) {
      return { title: "This stream cannot be read further", text: `${tame(failure)}. What came before it is shown.` };
    }
    if (end?.reason === "error") return { title: tame(end.message) || "The sampler failed", text: tameLines(end.help) };
    if (profile.threadSamples === 0) {
      if (state === "ended") return { title: "No samples", text: "The session ended before a sample was taken." };
      if (local) return { title: "Opening what was saved", text: "" };
      if (lost) return { title: "Connection lost", text: "The kernel was stopped or started anew: run the cell again." };
      return hello ? { title: `Reading process ${hello.pid}`, text: "Waiting for the first samples." } : attaching(waitedSeconds);
    }
    if (this.state.total[0]! > 0) return null;
    const { idlersOut, settings: { rules } } = this.state;
    const focus = rules.length ? "of the functions in focus, in" : "of";
    const idle = idlersOut ? ` ${plural(idlersOut, "idle thread")} left out.` : "";
    return { title: "Nothing here", text: `No samples ${focus} the selected threads, states and time.${idle}`, clear: true };
  }
}

function attaching(waitedSeconds: number): Content {
  const title = "Attaching to the target";
  if (waitedSeconds < 8) return { title, text: "Waiting for the sampler's first word." };
  return {
    title: "No data yet",
    text: "A page that was reloaded gets its data when the running cell ends; a kernel that was stopped sends none.",
  };
}
