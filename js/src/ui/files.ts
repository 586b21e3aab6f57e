/** Out of the browser: texts to the clipboard, files to the disk, and a file from it. */
import { el } from "./dom";

/** Copies text; false where the page may not. A sandboxed frame has no clipboard of its own, but may copy a selection. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelection(text);
  }
}

/** Copies a picture; false where the page may not: a sandboxed frame can copy text only. */
export async function copyPicture(blob: Blob): Promise<boolean> {
  try {
    await navigator.clipboard.write([new ClipboardItem({ [blob.type]: blob })]);
    return true;
  } catch {
    return false;
  }
}

function copySelection(text: string): boolean {
  const field = el("textarea", "nbspy-hidden");
  const before = document.activeElement;
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return done;
}

export function saveFile(name: string, parts: readonly BlobPart[], type: string): void {
  const url = URL.createObjectURL(new Blob([...parts], { type }));
  const link = el("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser takes the data when it starts to write, a moment after the click.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Lets the person choose a file, and gives its bytes. */
export function openFile(accept: string, take: (name: string, bytes: Uint8Array<ArrayBuffer>) => void): void {
  const input = el("input");
  input.type = "file";
  input.accept = accept;
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file) void file.arrayBuffer().then((buffer) => take(file.name, new Uint8Array(buffer)));
  });
  input.click();
}
