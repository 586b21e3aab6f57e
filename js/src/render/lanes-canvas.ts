/** The timeline's lanes as pixels on a canvas of their own: while one drags they stay as they are. */
import { StateClass } from "../model/state";
import type { Theme } from "./colors";
import { STATE_COLORS } from "./colors";
import { tileOf } from "./hatch";
import type { LanePicture, Tile } from "./lanes";
import { rasterLanes } from "./lanes";

export class LanesCanvas {
  private readonly canvas = document.createElement("canvas");
  private drawn: readonly LanePicture[] = [];
  private tiles: Tile[] = [];
  private tilesRatio = 0;

  /** Forgets what is drawn: colours are others. */
  forget(): void {
    this.drawn = [];
    this.tilesRatio = 0;
  }

  /** Gives the lanes' picture, `columns` times `rows` pixels of the screen; `ratio` of them are one of CSS. */
  picture(lanes: readonly LanePicture[], columns: number, rows: number, ratio: number, theme: Theme, background: string): HTMLCanvasElement {
    const { canvas, drawn } = this;
    // Times that are not another array are those that were drawn.
    const same = rows === canvas.height && lanes.length === drawn.length && lanes.every(({ times, top }, i) => times === drawn[i]!.times && top === drawn[i]!.top);
    if (same && ratio === this.tilesRatio) return canvas;
    this.drawn = lanes;
    if (this.tilesRatio !== ratio) [this.tiles, this.tilesRatio] = [stateTiles(theme, background, ratio), ratio];
    [canvas.width, canvas.height] = [columns, rows];
    const image = new ImageData(columns, rows);
    rasterLanes(new Uint32Array(image.data.buffer), columns, lanes, this.tiles);
    canvas.getContext("2d")?.putImageData(image, 0, 0);
    return canvas;
  }
}

/** Tiles in the order of `StateClass`: waiting and GC are hatched, so that they differ without colour too. */
function stateTiles(theme: Theme, background: string, ratio: number): Tile[] {
  return STATE_COLORS[theme].map((color, kind) => (
    tileOf(color, kind === StateClass.GIL_WAIT || kind === StateClass.GC ? background : null, kind === StateClass.GIL_WAIT, ratio)
  ));
}
