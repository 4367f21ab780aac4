/** NumPy's .npz: a zip archive of .npy files, an array's name being its file's without `.npy`. */
import { zipSync } from 'fflate';
import { DataError } from '../errors.ts';
import { show } from '../onnx/show.ts';
import type { Tensor } from '../tensor.ts';
import { readNpy, writeNpy } from './npy.ts';
import { zipEntries } from './zip.ts';

export interface NpzOptions {
  /** Most bytes that all arrays together may take once inflated; 2 GiB unless told. */
  readonly maxBytes?: number;
}

/** What a file that is no zip archive is, where that is known. */
function otherFormat(bytes: Uint8Array): string {
  if (bytes.length === 0) return ': the file is empty';
  const start = String.fromCharCode(...bytes.subarray(0, 6));
  if (start === '\x93NUMPY')
    return " but a lone .npy array: save it with np.savez(file, NAME=array), NAME the model's input";
  if (start.startsWith('\x1f\x8b')) return ' but a gzip file';
  return '';
}

/**
 * Reads an .npz archive.
 * @param name what errors call it: a file name
 * @throws DataError for a damaged archive, an entry that is no array, a name twice, more than `maxBytes`
 */
export function readNpz(bytes: Uint8Array, name = 'data', options: NpzOptions = {}): Map<string, Tensor> {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`readNpz: expected a Uint8Array, got ${typeof bytes}`);
  const { maxBytes = 2 ** 31 } = options;
  const magic = bytes[0] === 0x50 && bytes[1] === 0x4b && bytes.length >= 22;
  if (!magic) throw new DataError(`${name}: not an .npz archive${otherFormat(bytes)}`);
  const entries = zipEntries(bytes, name);
  let total = 0;
  for (const entry of entries) total += entry.size;
  if (total > maxBytes)
    throw new DataError(`${name}: its arrays take ${total} bytes, more than the ${maxBytes} allowed`);
  const arrays = new Map<string, Tensor>();
  for (const entry of entries) {
    if (!entry.name.endsWith('.npy')) throw new DataError(`${name}: ${show(entry.name)} is no .npy array`);
    const key = entry.name.slice(0, -4);
    if (arrays.has(key)) throw new DataError(`${name}: array ${show(key)} appears twice`);
    arrays.set(key, readNpy(entry.read(), `${name}: array ${show(key)}`));
  }
  return arrays;
}

/** DOS time of every entry: the first instant that zip can express, so that the same arrays give the same bytes. */
const MTIME = new Date(1980, 0, 1);

/**
 * An .npz archive, deflated, entries in the map's order; the same arrays give the same bytes.
 * @throws UnsupportedError for a type NumPy has none of, RangeError for an unusable name
 */
export function writeNpz(arrays: ReadonlyMap<string, Tensor>): Uint8Array {
  const files: Record<string, Uint8Array> = Object.create(null);
  for (const [name, t] of arrays) {
    if (name === '') throw new RangeError('writeNpz: an array without a name');
    files[`${name}.npy`] = writeNpy(t);
  }
  return zipSync(files, { level: 6, mtime: MTIME });
}
