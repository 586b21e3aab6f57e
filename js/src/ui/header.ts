/** The header: is it working, what is it, how much was seen, what is wrong, where is it hot. */
import { count, duration, elapsed, exitWords, moment, percent, pidAndVersion, plural, programName } from "../model/format";
import { hottestPath } from "../model/hottest";
import { tame, tameLines } from "../model/names";
import type { ViewState } from "../model/view-state";
import type { Source, SourceState } from "../source";
import type { Cleanup } from "./dom";
import { button, el, setAttribute, setName, setText, show } from "./dom";
import type { Tooltip, TooltipContent } from "./tooltip";

/** Reasons of the end record, in words. */
const REASONS = new Map([["stopped", "Stopped"], ["duration", "Done"], ["target-ended", "Target ended"], ["error", "Failed"]]);
/** Names of the hottest path that are shown: the last ones. */
const HOT_NAMES = 4;
/** Share of late ticks from which it is worth a word. */
const LATE_SHARE = 0.02;
const TOLD_MS = 6000;

export interface HeaderFacts {
  readonly state: SourceState;
  /** Seconds since data last came; 0 while it comes. */
  readonly silentSeconds: number;
  /** True while a gap has been open for a while. */
  readonly gap: boolean;
}

export interface HeaderEvents {
  help(): void;
  /** Stops the picture, or lets it go on. */
  pause(): void;
  /** Shows the view on all of the screen, or in its place again. */
  full(): void;
  /** Opens the menu beside its button. */
  more(anchor: HTMLElement): void;
}

export class Header {
  readonly element = el("div", "nbspy-header");
  readonly hotLine = el("div", "nbspy-hot");
  private readonly dot = el("span", "nbspy-dot");
  private readonly word = el("strong", "nbspy-word");
  private readonly target = el("span", "nbspy-target");
  private readonly program = el("strong");
  private readonly targetRest = el("span", "nbspy-muted nbspy-optional");
  private readonly counts = el("button", "nbspy-fact nbspy-counts");
  private readonly samples = el("span");
  private readonly rate = el("span", "nbspy-optional");
  private readonly gil = el("span", "nbspy-fact nbspy-gil");
  private readonly gilText = el("span");
  private readonly gilBar = el("i");
  private readonly warning = el("button", "nbspy-pill nbspy-amber");
  private readonly notices = el("button", "nbspy-pill");
  private readonly hint = el("span", "nbspy-pill");
  readonly more: HTMLButtonElement;
  private readonly pause: HTMLButtonElement;
  private told = "";
  private toldUntil = 0;
  private warningLines: string[] = [];
  private readonly hotShare = el("strong", "nbspy-share");
  private readonly hotOf = el("span", "nbspy-muted nbspy-optional");
  private readonly hotMore = el("span", "nbspy-muted");
  private readonly hotLinks: { readonly arrow: HTMLElement | null; readonly link: HTMLButtonElement }[] = [];
  private hotNodes: (number | undefined)[] = [];

  constructor(private readonly source: Source, private readonly state: ViewState, tooltip: Tooltip, cleanup: Cleanup, events: HeaderEvents) {
    this.target.append(this.program, this.targetRest);
    this.counts.append(this.samples, this.rate);
    this.makeHotLine();
    const meter = el("span", "nbspy-meter", this.gilBar);
    this.gil.append(this.gilText, meter);
    this.gil.title = "Share of the time in which some thread held the GIL";
    this.pause = button("nbspy-icon nbspy-pause", "Pause the view (p): samples go on to arrive", "", () => events.pause());
    this.more = button("nbspy-icon", "Save and compare (e)", "⋯", () => events.more(this.more));
    this.more.setAttribute("aria-haspopup", "menu");
    this.more.setAttribute("aria-expanded", "false");
    const full = button("nbspy-icon nbspy-full", "Full screen (f)", "", () => events.full());
    show(full, document.fullscreenEnabled);
    for (const pill of [this.counts, this.warning, this.notices]) pill.type = "button";
    this.element.append(
      this.dot, this.word, this.target, el("span", "nbspy-grow"), this.hint, this.notices, this.warning, this.counts, this.gil,
      this.pause, full, this.more, button("nbspy-icon", "Keys and gestures (?)", "?", () => events.help()),
    );
    this.explain(cleanup, tooltip, this.warning, () => ({ title: source.profile.status?.discarded ? "Not everything was seen" : "The sampler is late", text: this.warningLines }));
    this.explain(cleanup, tooltip, this.notices, () => ({
      title: "Notices", text: source.profile.notices.slice(-8).map((notice) => tameLines(notice.text)),
    }));
    this.explain(cleanup, tooltip, this.counts, () => ({ title: "Sampling", rows: this.samplingRows() }));
  }

  /** Shows a text for some seconds. */
  tell(text: string): void {
    this.told = text;
    this.toldUntil = performance.now() + TOLD_MS;
    setText(this.hint, text);
    show(this.hint, true);
  }

  update(facts: HeaderFacts): void {
    const { profile } = this.source;
    const { hello, status } = profile;
    this.dot.dataset["look"] = this.dotLook(facts);
    setText(this.word, this.stateWord(facts));
    setAttribute(this.word, "title", tameLines(profile.end ? `${profile.end.message}\n${profile.end.help}`.trim() : ""));
    setText(this.program, hello ? tame(programName(hello.commandLine)) : "");
    setText(this.targetRest, hello ? ` ${pidAndVersion(hello.pid, tame(hello.pythonVersion))}${this.recorded(facts.state)}` : "");
    setAttribute(this.target, "title", hello ? tame(hello.commandLine) : "");
    const samples = status?.samples ?? 0;
    const rate = profile.achievedRateHz;
    const words = samples ? plural(samples, "sample") : plural(profile.threadSamples, "thread sample");
    setText(this.samples, words);
    setText(this.rate, rate === null ? "" : ` · ${rate < 10 ? rate.toFixed(1) : count(rate)}/s`);
    show(this.counts, profile.threadSamples > 0);
    this.updateGil();
    this.updateWarning();
    setText(this.notices, plural(profile.notices.length, "notice"));
    show(this.notices, profile.notices.length > 0);
    const { paused } = this.state;
    const upTo = `complete up to ${elapsed(profile.endUs)}`;
    const live = facts.state === "live" && !this.source.local;
    const hint = live && this.source.lost ? `the kernel is gone; ${upTo}`
      : facts.gap ? `waiting for lost data; ${upTo}`
      : facts.silentSeconds >= 5 ? `no data for ${facts.silentSeconds} s; ${upTo}` : "";
    const told = performance.now() < this.toldUntil ? this.told : paused ? "view paused" : hint;
    setText(this.hint, told);
    show(this.hint, told !== "");
    show(this.pause, (live && !this.source.lost) || paused);
    setAttribute(this.pause, "aria-pressed", String(paused));
    this.updateHotLine();
  }

  /** When what is not live any more was recorded. */
  private recorded(state: SourceState): string {
    const { hello } = this.source.profile;
    return state === "ended" && hello?.startedUnixNs ? ` · ${moment(hello.startedUnixNs / 1e6)}` : "";
  }

  private dotLook(facts: HeaderFacts): string {
    if (facts.state === "error") return "error";
    if (facts.state !== "live") return facts.state;
    return this.source.lost || facts.silentSeconds >= 5 ? "silent" : this.warningLines.length ? "late" : "live";
  }

  private stateWord({ silentSeconds, state }: HeaderFacts): string {
    const { local, lost, profile } = this.source;
    const time = profile.endUs > 0 ? ` ${elapsed(profile.endUs)}` : "";
    if (local && (state === "starting" || state === "live")) return "Opening";
    if (state === "starting") return lost ? "Connection lost" : profile.hello ? "Starting" : "Attaching";
    if (state === "live") return (lost ? "Connection lost" : silentSeconds >= 5 ? "Silent" : "Live") + time;
    const exit = profile.end?.exitStatus ?? null;
    if (exit !== null) return `${REASONS.get("target-ended")!}${time} · ${exitWords(exit)}`;
    const reason = profile.end ? (REASONS.get(profile.end.reason) ?? "Ended") : state === "error" ? "Failed" : "Ended";
    return reason + time;
  }

  private updateGil(): void {
    const { selected, profile } = this.state;
    const shown = !profile.hello?.freeThreaded && selected.spanUs > 0;
    show(this.gil, shown);
    if (!shown) return;
    const share = Math.min(1, selected.gilUs / selected.spanUs);
    setText(this.gilText, `GIL ${percent(share)}`);
    this.gilBar.style.width = `${100 * share}%`;
  }

  private updateWarning(): void {
    const { status } = this.source.profile;
    const words: string[] = [];
    this.warningLines = [];
    if (status && status.discarded > 0) {
      words.push(`${count(status.discarded)} discarded`);
      this.warningLines.push(
        `${plural(status.discarded, "sample")} discarded: no copy of the target's stacks was provably of one instant. `
        + "They are missing from the picture; none was guessed.",
      );
    }
    const ticks = status ? status.samples + status.discarded : 0;
    if (status && ticks && status.late / ticks >= LATE_SHARE) {
      words.push(`${percent(status.late / ticks)} late`);
      this.warningLines.push(
        `${plural(status.late, "sample")} of ${count(ticks)} began late: the machine is busy, or the rate is higher than it allows. `
        + "Shares stay right: each sample counts for the time until the next.",
      );
    }
    setText(this.warning, words.join(" · "));
    show(this.warning, words.length > 0);
  }

  private samplingRows(): string[][] {
    const { hello, status, threadSamples } = this.source.profile;
    const rows = [["Thread samples", count(threadSamples)]];
    if (hello?.startedUnixNs) rows.push(["Begun", moment(hello.startedUnixNs / 1e6)]);
    if (this.source.saved) rows.push(["Saved", moment(this.source.saved)]);
    if (hello) rows.push(["Asked-for rate", `${count(1e9 / hello.intervalNs)}/s`]);
    if (hello) rows.push(["Mode", hello.blocking ? "blocking: the GIL's holder stops for each copy" : "non-blocking"]);
    if (!status) return rows;
    rows.push(["Late, retried, discarded", `${count(status.late)}, ${count(status.retried)}, ${count(status.discarded)}`]);
    if (status.stopCount) {
      rows.push(["Stop of the target", `median ${duration(status.stopMedianNs / 1e3)}, 99 % below ${duration(status.stopP99Ns / 1e3)}`]);
      if (status.timeNs) rows.push(["Stopped in all", percent(status.stopTotalNs / status.timeNs)]);
    }
    if (status.timeNs) rows.push(["The sampler's own CPU", percent(status.cpuNs / status.timeNs)]);
    if (status.attachNs) rows.push(["Attached in", duration(status.attachNs / 1e3)]);
    return rows;
  }

  /** Says the hottest path in words; each name zooms to its frame. */
  private updateHotLine(): void {
    const { state } = this;
    const weights = state.selected.activeWeights;
    const busy = weights.total[0]! > 0;
    const path = hottestPath(state.tree, busy ? weights.total : state.total);
    if (path) setText(this.hotShare, percent(path.share));
    setText(this.hotOf, busy && state.selection.mode === "all" ? "of running time" : "");
    // It keeps its height: what is below does not jump.
    this.hotLine.style.visibility = path ? "" : "hidden";
    if (!path) return;
    // Of the links the last ones: where there is little room the first ones go.
    const { nodes } = path;
    this.hotNodes = this.hotLinks.map((_, i) => nodes[nodes.length - HOT_NAMES + i]);
    write(this.hotMore, nodes.length > HOT_NAMES ? "…" : "");
    this.hotLinks.forEach(({ arrow, link }, i) => {
      const node = this.hotNodes[i];
      const name = node === undefined ? "" : state.nameOf(node);
      if (arrow) write(arrow, name && this.hotNodes[i - 1] !== undefined ? "→" : "");
      setName(link, name);
      show(link, name !== "");
      setAttribute(link, "title", node === undefined ? "" : state.placeOf(node) || name);
    });
  }

  /** The line is made once, and written to: what is pressed while samples arrive stays the same button, and little is laid out. */
  private makeHotLine(): void {
    for (let i = 0; i < HOT_NAMES; i++) {
      const arrow = i ? el("span", "nbspy-muted nbspy-arrow") : null;
      const link = button("nbspy-link", "", "", () => this.state.zoomTo(this.hotNodes[i]!));
      this.hotLinks.push({ arrow, link });
    }
    const names = this.hotLinks.flatMap(({ arrow, link }) => (arrow ? [arrow, link] : [link]));
    this.hotLine.append(el("span", "nbspy-muted", "Hottest"), this.hotMore, ...names, this.hotShare, this.hotOf);
  }

  private explain(cleanup: Cleanup, tooltip: Tooltip, anchor: HTMLElement, content: () => TooltipContent): void {
    const open = (): void => {
      const box = anchor.getBoundingClientRect();
      tooltip.show(content(), box.left, box.bottom - 8, open);
    };
    const close = (): void => tooltip.hide();
    cleanup.listen(anchor, "pointerenter", open);
    cleanup.listen(anchor, "focus", open);
    cleanup.listen(anchor, "pointerleave", close);
    cleanup.listen(anchor, "blur", close);
  }
}

/** Writes a text, or takes the element out of sight where there is none. */
function write(element: HTMLElement, text: string): void {
  setText(element, text);
  show(element, text !== "");
}
