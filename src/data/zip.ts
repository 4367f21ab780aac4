/**
 * Zip archives as NumPy writes them (PKWARE APPNOTE 6.3.10): read from the central directory, stored or deflated entries,
 * every size bounded before it is allocated and every entry's CRC-32 checked.
 */
import { inflateSync } from 'fflate';
import { DataError } from '../errors.ts';
import { show } from '../onnx/show.ts';

/** Deflate makes at most 1032 bytes of one. */
const MAX_RATIO = 1032;
const END_SIZE = 22;
const CENTRAL_SIZE = 46;
const LOCAL_SIZE = 30;

export interface ZipEntry {
  readonly name: string;
  /** Bytes once inflated. */
  readonly size: number;
  /** Inflates it. @throws DataError naming the entry */
  read(): Uint8Array;
}

/**
 * The entries of a zip archive, nothing inflated yet.
 * @param label what errors call the archive
 * @throws DataError for anything but a whole archive
 */
export function zipEntries(bytes: Uint8Array, label: string): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view, label);
  const count = view.getUint16(end + 10, true);
  const size = view.getUint32(end + 12, true);
  let at = view.getUint32(end + 16, true);
  if (count === 0xffff || size === 0xffffffff || at === 0xffffffff)
    throw new DataError(`${label}: a zip64 archive (4 GiB or 65,535 arrays and more): split it`);
  if (at + size > end) throw new DataError(`${label}: the zip directory lies outside the file: truncated or damaged`);
  const entries: ZipEntry[] = [];
  const stop = at + size;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_SIZE > stop || view.getUint32(at, true) !== 0x02014b50)
      throw new DataError(`${label}: the zip directory is damaged at entry ${i} of ${count}`);
    const next =
      at + CENTRAL_SIZE + view.getUint16(at + 28, true) + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > stop) throw new DataError(`${label}: the zip directory is damaged at entry ${i} of ${count}`);
    entries.push(entry(bytes, view, at, label));
    at = next;
  }
  return entries;
}

/** Offset of the end-of-directory record: the last one whose comment reaches the end of the file. */
function findEnd(view: DataView, label: string): number {
  const first = Math.max(0, view.byteLength - END_SIZE - 0xffff);
  for (let at = view.byteLength - END_SIZE; at >= first; at--)
    if (view.getUint32(at, true) === 0x06054b50 && at + END_SIZE + view.getUint16(at + 20, true) === view.byteLength)
      return at;
  throw new DataError(`${label}: the zip archive has no directory: truncated?`);
}

function entry(bytes: Uint8Array, view: DataView, at: number, label: string): ZipEntry {
  const flags = view.getUint16(at + 8, true);
  const method = view.getUint16(at + 10, true);
  const crc = view.getUint32(at + 16, true);
  const packed = view.getUint32(at + 20, true);
  const size = view.getUint32(at + 24, true);
  const local = view.getUint32(at + 42, true);
  const nameLength = view.getUint16(at + 28, true);
  const name = new TextDecoder().decode(bytes.subarray(at + CENTRAL_SIZE, at + CENTRAL_SIZE + nameLength));
  const what = `${label}: ${show(name)}`;
  if (flags & 1) throw new DataError(`${what} is encrypted`);
  if (method !== 0 && method !== 8)
    throw new DataError(`${what} uses zip method ${method}, expected stored or deflated`);
  if (packed === 0xffffffff || size === 0xffffffff || local === 0xffffffff)
    throw new DataError(`${what} is 4 GiB or more: split it`);
  if (method === 0 ? packed !== size : size > packed * MAX_RATIO)
    throw new DataError(`${what}: ${packed} bytes cannot hold the ${size} the directory says`);
  if (local + LOCAL_SIZE > bytes.length || view.getUint32(local, true) !== 0x04034b50)
    throw new DataError(`${what}: no entry where the directory says: damaged`);
  const start = local + LOCAL_SIZE + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  if (start + packed > bytes.length) throw new DataError(`${what} reaches beyond the end of the file: truncated`);
  return {
    name,
    size,
    read() {
      const data = bytes.subarray(start, start + packed);
      const out = method === 0 ? data : inflate(data, size, what);
      if (out.length !== size) throw new DataError(`${what}: inflates to ${out.length} bytes, expected ${size}`);
      if (crc32(out) !== crc) throw new DataError(`${what}: its CRC-32 does not match: damaged`);
      return out;
    },
  };
}

function inflate(data: Uint8Array, size: number, what: string): Uint8Array {
  try {
    return inflateSync(data, { out: new Uint8Array(size) });
  } catch (cause) {
    throw new DataError(`${what}: not deflated data: damaged`, { cause });
  }
}

let table: Uint32Array | undefined;

/** CRC-32 (ISO 3309, reflected polynomial 0xEDB88320). */
export function crc32(bytes: Uint8Array): number {
  if (!table) {
    table = new Uint32Array(256);
    for (let n = 0; n < 256; n++) {
      let c = n;
      for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
      table[n] = c;
    }
  }
  let crc = ~0;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
