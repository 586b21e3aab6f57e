/** The colour of each frame: by what it is, where it is, what its threads did, or how hot it is. */
import type { Difference } from "../model/compare";
import type { Names } from "../model/names";
import type { Origin } from "../model/origin";
import { originOf } from "../model/origin";
import type { Scene } from "../model/scene";
import { STATE_CLASSES } from "../model/state";
import { Tinting } from "../model/tinting";
import type { ViewState } from "../model/view-state";
import type { Hues, Theme } from "../render/colors";
import { changeFill, css, frameFill, hashText, heatFill, stateFill } from "../render/colors";
import { hatched, HATCH_LINES } from "../render/hatch";

interface Look {
  readonly origin: Origin;
  readonly hue: number;
  readonly shade: number;
}

const VARIANTS = 3;
const TINTS_MS = 500;

export class FramePalette {
  private looks = new Map<number, Look>();
  private fills = new Map<number, string>();
  private theme: Theme = "light";
  private names: Names | null = null;
  private seen = "";
  private tinting: Tinting | null = null;
  private tintedAt = 0;
  private tintedFor: unknown = null;
  private hottest = 0;
  private ctx: CanvasRenderingContext2D | null = null;
  private readonly hatches = new Map<string, string | CanvasPattern>();

  /** `hues` are those of all charts: a package has one hue wherever it is seen. */
  constructor(private readonly state: ViewState, private readonly hues: Hues) {}

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.fills.clear();
    this.hatches.clear();
  }

  /** Prepares for a picture of `scene` on `ctx`. */
  begin(scene: Scene, ctx: CanvasRenderingContext2D): void {
    this.ctx = ctx;
    const { settings: { color }, profile, selected } = this.state;
    // Keys mean something else in the other granularity; a label makes a file the person's own.
    const seen = `${color} ${profile.labels.size}`;
    if (this.names !== scene.names || this.seen !== seen) {
      [this.names, this.seen] = [scene.names, seen];
      this.looks.clear();
      this.fills.clear();
      this.tinting = null;
    }
    if (color === "self") {
      this.hottest = 0;
      const { self } = scene.weights;
      for (let node = 1; node < scene.tree.size; node++) if (self[node]! > this.hottest) this.hottest = self[node]!;
    }
    if (color !== "state" && color !== "thread") return;
    const now = performance.now();
    if (this.tinting && this.tintedFor === selected && now - this.tintedAt < TINTS_MS) return;
    this.tinting = new Tinting(selected, color, STATE_CLASSES);
    this.tintedAt = now;
    this.tintedFor = selected;
  }

  fill(scene: Scene, node: number): string | CanvasPattern {
    const { tree } = scene;
    const { difference } = this.state.scenes;
    if (scene === this.state.scenes.changes && difference) return this.changeFill(difference, node);
    const key = tree.key.data[node]!;
    const variant = (tree.ordinal.data[node]! + tree.depth.data[node]!) % VARIANTS;
    const { color } = this.state.settings;
    if (color === "self") return css(heatFill(this.theme, this.hottest > 0 ? scene.weights.self[node]! / this.hottest : 0));
    if (color === "state" || color === "thread") {
      const group = this.tinting?.of(scene, node) ?? 255;
      return this.remember(-1 - group * VARIANTS - variant, () => color === "state" ? stateFill(this.theme, group, variant)
        : frameFill(this.theme, "own", this.hues.of(`thread ${group}`), 0, variant));
    }
    return this.remember(key * VARIANTS + variant, () => {
      const { origin, hue, shade } = this.look(scene.names, key);
      return frameFill(this.theme, origin, hue, shade, variant);
    });
  }

  /** Orange where there is more, blue where there is less; hatched where a path is new or gone. */
  private changeFill(difference: Difference, node: number): string | CanvasPattern {
    const [before, after] = [difference.before[node]!, difference.after[node]!];
    const color = css(changeFill(this.theme, difference.greatest > 0 ? (after - before) / difference.greatest : 0));
    if ((before > 0 && after > 0) || !this.ctx) return color;
    let hatch = this.hatches.get(color);
    if (!hatch) this.hatches.set(color, (hatch = hatched(this.ctx, color, HATCH_LINES[this.theme], after > 0)));
    return hatch;
  }

  private remember(id: number, make: () => [number, number, number]): string {
    let fill = this.fills.get(id);
    if (fill === undefined) this.fills.set(id, (fill = css(make())));
    return fill;
  }

  private look(names: Names, key: number): Look {
    let look = this.looks.get(key);
    if (look) return look;
    const origin = originOf(names.file(key), names.isLabelled(key));
    const { color } = this.state.settings;
    const group = color === "file" ? names.shownFile(key) : color === "function" ? names.qualname(key) : names.package(key);
    look = { origin: color === "package" ? origin : "own", hue: this.hues.of(group), shade: hashText(names.name(key)) };
    this.looks.set(key, look);
    return look;
  }
}
