/** A drawing context that writes SVG: the part of the canvas's that the chart's painter uses. */

const escape = (text: string): string => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
const short = (value: number): string => String(Math.round(value * 100) / 100);

export class SvgContext {
  fillStyle: string | CanvasPattern = "#000";
  strokeStyle = "#000";
  lineWidth = 1;
  font = "";
  globalAlpha = 1;
  textBaseline = "";
  textAlign = "";
  private readonly parts: string[] = [];

  /** `plain` stands for what a file cannot draw: patterns. */
  constructor(private readonly widthPx: number, private readonly heightPx: number, private readonly plain: string) {}

  /** Itself, as what the painter draws on. */
  get context(): CanvasRenderingContext2D {
    return this as unknown as CanvasRenderingContext2D;
  }

  fillRect(x: number, y: number, width: number, height: number): void {
    this.parts.push(`<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" fill="${this.color}"/>`);
  }

  strokeRect(): void {
    // What is hovered and focused is not part of a picture.
  }

  fillText(text: string, x: number, y: number): void {
    this.parts.push(`<text x="${short(x)}" y="${short(y)}" fill="${this.color}">${escape(text)}</text>`);
  }

  /** The whole picture. Texts stand in the middle of their rows, as on the canvas. */
  get svg(): string {
    const { heightPx, widthPx } = this;
    const size = `width="${short(widthPx)}" height="${short(heightPx)}" viewBox="0 0 ${short(widthPx)} ${short(heightPx)}"`;
    const font = escape(this.font || "12px sans-serif");
    return `<svg xmlns="http://www.w3.org/2000/svg" ${size} style="font:${font}" dominant-baseline="central">${this.parts.join("")}</svg>`;
  }

  private get color(): string {
    return escape(typeof this.fillStyle === "string" ? this.fillStyle : this.plain);
  }
}
