/** A function by its names: what stays the same in another session, in Python, and in another tree of the same one. */
import type { Names } from "./names";

export interface FunctionRef {
  /** Qualified name, or the plain one. */
  readonly name: string;
  /** File name as the target knows it; "" means any. */
  readonly file: string;
  /** First line; 0 means any. */
  readonly line: number;
}

export const refOf = (names: Names, key: number): FunctionRef => (
  { name: names.qualname(key), file: names.file(key), line: names.firstLine(key) }
);

export function fits(ref: FunctionRef, names: Names, key: number): boolean {
  return (ref.name === names.qualname(key) || ref.name === names.name(key))
    && (ref.file === "" || ref.file === names.file(key) || ref.file === names.shownFile(key))
    && (ref.line === 0 || ref.line === names.firstLine(key));
}

/** Gives the key that `ref` names: the first that fits; -1 where there is none. */
export function keyOf(ref: FunctionRef, names: Names, keys: number): number {
  for (let key = 0; key < keys; key++) if (fits(ref, names, key)) return key;
  return -1;
}
