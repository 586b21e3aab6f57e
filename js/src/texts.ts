/** Texts that are made when they are asked for: of a million names that come with a recording few are ever shown. */

/** Some texts; a list of strings is one, too. */
export interface Texts {
  readonly length: number;
  at(index: number): string | undefined;
}

/** Texts one after the other in a single one. */
export class JoinedTexts implements Texts {
  /** `ends`: where each of them ends. */
  constructor(private readonly all: string, private readonly ends: readonly number[]) {}

  get length(): number {
    return this.ends.length;
  }

  at(index: number): string {
    return this.all.slice(this.ends[index - 1] ?? 0, this.ends[index]);
  }
}

/** Texts by number, that come in parts of any size; the first is empty until it comes. */
export class Strings {
  length = 1;
  private parts: Texts[] = [[""]];
  /** The number of the first text of each part. */
  private firsts = [0];
  /** The last part, where it is a list that takes more. */
  private open: string[] | null = null;

  append(texts: Texts): void {
    if (texts instanceof JoinedTexts) {
      this.open = null;
      this.add(texts);
    } else {
      if (!this.open) this.add((this.open = []));
      for (let i = 0; i < texts.length; i++) this.open.push(texts.at(i)!);
    }
    this.length += texts.length;
  }

  clear(): void {
    [this.length, this.parts, this.firsts, this.open] = [0, [], [], null];
  }

  get(id: number): string {
    const { firsts } = this;
    let low = 0;
    let high = firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (firsts[middle]! <= id) low = middle;
      else high = middle - 1;
    }
    return this.parts[low]!.at(id - firsts[low]!)!;
  }

  private add(part: Texts): void {
    this.parts.push(part);
    this.firsts.push(this.length);
  }
}
