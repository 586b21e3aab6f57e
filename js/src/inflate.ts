/** Data of a page: base64 text of a deflated stream. */

export function base64Bytes(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

export const inflate = (bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> => (
  new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))
);
