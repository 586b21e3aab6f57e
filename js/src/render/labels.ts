/** Texts cut to a width, in the middle: both ends of a function's name tell it from others. */

export type Measure = (text: string) => number;

/** Fewer letters of a name than these ("w…e") are only noise. */
const LEAST_LETTERS = 4;

/** Gives `text`, or as much of its two ends around "…" as fits, or "" where so few letters fit that they would say nothing. */
export function shortenMiddle(text: string, widthPx: number, measure: Measure): string {
  if (measure(text) <= widthPx) return text;
  const letters = Array.from(text);
  const cut = (kept: number): string => {
    const head = Math.ceil(kept / 2);
    return `${letters.slice(0, head).join("")}…${letters.slice(letters.length - (kept - head)).join("")}`;
  };
  let low = 0;
  let high = letters.length - 1;
  while (low < high) {
    const kept = (low + high + 1) >> 1;
    if (measure(cut(kept)) <= widthPx) low = kept;
    else high = kept - 1;
  }
  return low >= LEAST_LETTERS ? cut(low) : "";
}

/** Remembers widths and cut texts: the same labels are asked for in every picture. */
export class LabelFitter {
  private readonly widths = new Map<string, number>();
  private readonly cuts = new Map<string, string>();
  private font = "";

  constructor(private readonly measureText: Measure) {}

  /** Forgets everything where the font is another than before. */
  useFont(font: string): void {
    if (font === this.font) return;
    this.font = font;
    this.widths.clear();
    this.cuts.clear();
  }

  readonly width = (text: string): number => {
    let width = this.widths.get(text);
    if (width === undefined) {
      if (this.widths.size > 20000) this.widths.clear();
      this.widths.set(text, (width = this.measureText(text)));
    }
    return width;
  };

  fit(text: string, widthPx: number): string {
    if (this.width(text) <= widthPx) return text;
    const whole = Math.floor(widthPx / 2) * 2;
    const key = `${whole} ${text}`;
    let cut = this.cuts.get(key);
    if (cut === undefined) {
      if (this.cuts.size > 20000) this.cuts.clear();
      this.cuts.set(key, (cut = shortenMiddle(text, whole, this.measureText)));
    }
    return cut;
  }
}
