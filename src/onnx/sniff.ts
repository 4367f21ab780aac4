/** Recognises files that people hand over in a model's place. */

const MAGIC: readonly (readonly [offset: number, magic: string, what: string])[] = [
  [0, 'PK\x03\x04', 'a zip archive (an .npz, a PyTorch .pt, a .zip?): export or unpack the .onnx file'],
  [0, '\x89PNG', 'a PNG image'],
  [0, '\xff\xd8\xff', 'a JPEG image'],
  [0, 'GIF8', 'a GIF image'],
  [0, '\x1f\x8b', 'a gzip file: unpack it first'],
  [0, 'BZh', 'a bzip2 file: unpack it first'],
  [0, '\xfd7zXZ', 'an xz file: unpack it first'],
  [0, '\x28\xb5\x2f\xfd', 'a zstd file: unpack it first'],
  [0, '\x93NUMPY', 'a NumPy array (.npy)'],
  [0, '\x89HDF', 'an HDF5 file (Keras?): export it to ONNX first'],
  [4, 'TFL3', 'a TensorFlow Lite model: convert it to ONNX first'],
  [4, 'ORTM', 'a model in ONNX Runtime format (.ort): give the .onnx file it was made from'],
  [0, 'GGUF', 'a GGUF model'],
  [0, '\0asm', 'a WebAssembly module'],
  [0, '%PDF', 'a PDF document'],
  [0, '\x7fELF', 'an executable'],
  [0, '\x80\x02', 'a pickle (a PyTorch checkpoint?): export it to ONNX first'],
  [0, '\x80\x04', 'a pickle (a PyTorch checkpoint?): export it to ONNX first'],
  [0, 'version https://git-lfs', 'a Git LFS pointer: run `git lfs pull`'],
  [5, '\0\0\0{"', 'a safetensors file: export the model to ONNX first'],
];

/** What the bytes are where they are plainly no ONNX model; undefined where they may be one. */
export function sniff(bytes: Uint8Array): string | undefined {
  for (const [offset, magic, what] of MAGIC) {
    let same = bytes.length >= offset + magic.length;
    for (let i = 0; same && i < magic.length; i++) same = bytes[offset + i] === magic.charCodeAt(i);
    if (same) return what;
  }
  return isText(bytes.subarray(0, 512)) ? `text, starting '${preview(bytes)}'` : undefined;
}

/** UTF-8 without control characters. A model has some from its first tag on. */
function isText(bytes: Uint8Array): boolean {
  for (const b of bytes) if (b < 32 && b !== 9 && b !== 10 && b !== 13) return false;
  try {
    // A character cut off at the end is no fault.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true }).length > 0;
  } catch {
    return false;
  }
}

function preview(bytes: Uint8Array): string {
  let text = '';
  for (const b of bytes.subarray(0, 24)) text += b >= 32 && b < 127 ? String.fromCharCode(b) : b < 32 ? ' ' : '.';
  return text.trim();
}
