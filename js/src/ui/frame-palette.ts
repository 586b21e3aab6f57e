/** The colour of each node, computed once per function and variant. */
import type { ViewState } from "../model/view-state";
import type { Origin } from "../model/origin";
import { originOf } from "../model/origin";
import type { Theme } from "../render/colors";
import { css, frameFill, hashText, Hues } from "../render/colors";

interface Look {
  readonly origin: Origin;
  readonly hue: number;
  readonly shade: number;
}

const VARIANTS = 3;

export class FramePalette {
  private readonly hues = new Hues();
  private looks: Look[] = [];
  private fills: string[] = [];
  private theme: Theme = "light";
  private namesSeen: unknown = null;
  private labelsSeen = 0;

  constructor(private readonly state: ViewState) {}

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.fills = [];
  }

  readonly fill = (node: number): string => {
    const { state } = this;
    // Keys mean something else in the other granularity; a label makes a file the person's own.
    if (this.namesSeen !== state.names || this.labelsSeen !== state.profile.labels.size) {
      this.namesSeen = state.names;
      this.labelsSeen = state.profile.labels.size;
      this.looks = [];
      this.fills = [];
    }
    const { tree } = state;
    const key = tree.key.data[node]!;
    const variant = (tree.ordinal.data[node]! + tree.depth.data[node]!) % VARIANTS;
    return (this.fills[key * VARIANTS + variant] ??= this.compute(key, variant));
  };

  private compute(key: number, variant: number): string {
    const { names } = this.state;
    let look = this.looks[key];
    if (!look) {
      const origin = originOf(names.file(key), names.isLabelled(key));
      const hue = this.hues.of(names.package(key));
      look = this.looks[key] = { origin, hue, shade: hashText(names.name(key)) };
    }
    return css(frameFill(this.theme, look.origin, look.hue, look.shade, variant));
  }
}
