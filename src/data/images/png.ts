/**
 * PNG images (W3C Recommendation "Portable Network Graphics", third edition): every colour type and depth, interlaced or not. 16-bit
 * samples are rounded to 8 bits, transparency is left out (a pixel keeps the colour it has without it), and so are colour profiles.
 */
import { Unzlib } from 'fflate';
import { DataError } from '../../errors.ts';
import { show } from '../../onnx/show.ts';
import { crc32 } from '../zip.ts';
import { orientationOf } from './exif.ts';
import { checkPixels, type Picture, upright } from './picture.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Deflate makes at most 1032 bytes of one. */
const MAX_RATIO = 1032;
/** Bytes inflated at once. */
const PIECE = 1 << 16;

/** By colour type (section 11.2.1): samples a pixel, and the depths allowed. */
const COLOURS: Readonly<Record<number, { readonly samples: number; readonly depths: readonly number[] }>> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] },
  2: { samples: 3, depths: [8, 16] },
  3: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
};
const PALETTE = 3;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly samples: number;
  readonly interlaced: boolean;
}

interface Chunks {
  readonly header: Header;
  readonly palette: Uint8Array | undefined;
  readonly data: readonly Uint8Array[];
  readonly exif: Uint8Array | undefined;
}

/** Every how many columns and rows, and from which, pixels are in a reduced image. */
interface Pass {
  readonly x: number;
  readonly y: number;
  readonly dx: number;
  readonly dy: number;
}

const WHOLE: readonly Pass[] = [{ x: 0, y: 0, dx: 1, dy: 1 }];
/** Section 8.1. */
const ADAM7: readonly Pass[] = [
  { x: 0, y: 0, dx: 8, dy: 8 },
  { x: 4, y: 0, dx: 8, dy: 8 },
  { x: 0, y: 4, dx: 4, dy: 8 },
  { x: 2, y: 0, dx: 4, dy: 4 },
  { x: 0, y: 2, dx: 2, dy: 4 },
  { x: 1, y: 0, dx: 2, dy: 2 },
  { x: 0, y: 1, dx: 1, dy: 2 },
];

/** Whether bytes begin as a PNG file does. */
export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/**
 * Decodes a PNG file.
 * @param label what errors call it
 * @throws DataError for a file that is damaged, cut off or too large
 */
export function decodePng(bytes: Uint8Array, label: string): Picture {
  const { header, palette, data, exif } = chunksOf(bytes, label);
  const { width, height, colour } = header;
  if (colour === PALETTE && !palette) throw new DataError(`${label}: a PNG with a palette, but no PLTE chunk`);
  const passes = (header.interlaced ? ADAM7 : WHOLE)
    .map((pass) => ({
      ...pass,
      width: Math.ceil((width - pass.x) / pass.dx),
      height: Math.ceil((height - pass.y) / pass.dy),
    }))
    .filter((pass) => pass.width > 0 && pass.height > 0)
    .map((pass) => ({ ...pass, line: Math.ceil((pass.width * header.samples * header.depth) / 8) }));
  const size = passes.reduce((sum, { height: rows, line }) => sum + rows * (1 + line), 0);
  const raw = inflated(data, size, label);
  const channels = colour === 0 || colour === 4 ? 1 : 3;
  const out = new Uint8Array(width * height * channels);
  let at = 0;
  for (const pass of passes) {
    unfilter(raw, at, pass.line, pass.height, Math.max(1, (header.samples * header.depth) / 8), label);
    for (let y = 0; y < pass.height; y++, at += 1 + pass.line) {
      const samples = samplesOf(raw.subarray(at + 1, at + 1 + pass.line), pass.width * header.samples, header);
      const to = ((pass.y + y * pass.dy) * width + pass.x) * channels;
      if (colour === PALETTE) lookUp(samples, palette!, out, to, pass.dx, label);
      else place(samples, header.samples, channels, out, to, pass.dx);
    }
  }
  return upright({ width, height, channels, data: out }, orientationOf(exif));
}

/** The chunks that are used, their CRC-32 checked; others are passed over. */
function chunksOf(bytes: Uint8Array, label: string): Chunks {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data: Uint8Array[] = [];
  let [header, palette, exif]: [Header?, Uint8Array?, Uint8Array?] = [];
  for (let at = SIGNATURE.length; ; ) {
    const length = at + 12 <= bytes.length ? view.getUint32(at) : Infinity;
    if (at + 12 + length > bytes.length) throw new DataError(`${label}: a PNG that ends too early: truncated`);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    const used = ['IHDR', 'PLTE', 'IDAT', 'IEND', 'eXIf'].includes(type);
    // A capital begins the name of a chunk without which the image cannot be understood.
    if (!used && /^[A-Z]/.test(type))
      throw new DataError(`${label}: a PNG with a chunk ${show(type)}, which no standard has`);
    if (used && crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length))
      throw new DataError(`${label}: a PNG whose ${type} chunk does not match its CRC-32: damaged`);
    if (!header && type !== 'IHDR') throw new DataError(`${label}: a PNG that does not begin with its header: damaged`);
    if (type === 'IHDR') {
      if (header) throw new DataError(`${label}: a PNG with two headers: damaged`);
      header = headerOf(body, label);
    } else if (type === 'PLTE') palette = paletteOf(body, label);
    else if (type === 'IDAT') data.push(body);
    else if (type === 'eXIf') exif = body;
    else if (type === 'IEND') return { header: header!, palette, data, exif };
    at += 12 + length;
  }
}

/** Section 11.2.1. */
function headerOf(body: Uint8Array, label: string): Header {
  if (body.length !== 13) throw new DataError(`${label}: a PNG header of ${body.length} bytes, expected 13`);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  checkPixels(width, height, label);
  const [depth, colour] = [body[8]!, body[9]!];
  const [compression, filter, interlace] = [body[10]!, body[11]!, body[12]!];
  const known = COLOURS[colour];
  if (!known?.depths.includes(depth))
    throw new DataError(`${label}: a PNG of colour type ${colour} with ${depth} bits a sample, which there is not`);
  if (compression !== 0 || filter !== 0 || interlace > 1)
    throw new DataError(
      `${label}: a PNG with compression ${compression}, filter ${filter}, interlace ${interlace}: expected 0, 0 and 0 or 1`,
    );
  return { width, height, depth, colour, samples: known.samples, interlaced: interlace === 1 };
}

function paletteOf(body: Uint8Array, label: string): Uint8Array {
  if (body.length === 0 || body.length % 3 !== 0 || body.length > 768)
    throw new DataError(`${label}: a PNG palette of ${body.length} bytes, expected 3 a colour and 256 colours at most`);
  return body;
}

/** The first `size` bytes that the chunks inflate to. */
function inflated(data: readonly Uint8Array[], size: number, label: string): Uint8Array {
  const packed = data.reduce((sum, { length }) => sum + length, 0);
  const short = (found: number) =>
    new DataError(`${label}: a PNG with ${found} bytes of pixels, expected ${size}: truncated or damaged`);
  if (packed * MAX_RATIO < size) throw short(packed);
  const out = new Uint8Array(size);
  let filled = 0;
  const stream = new Unzlib((piece) => {
    const part = piece.subarray(0, size - filled);
    out.set(part, filled);
    filled += part.length;
  });
  try {
    for (const body of data)
      for (let at = 0; at < body.length && filled < size; at += PIECE) stream.push(body.subarray(at, at + PIECE));
    if (filled < size) stream.push(new Uint8Array(0), true);
  } catch (cause) {
    if (filled < size) throw new DataError(`${label}: a PNG whose pixels cannot be inflated: damaged`, { cause });
  }
  if (filled < size) throw short(filled);
  return out;
}

/**
 * Takes filters back in place (section 9).
 * @param at where the first line starts, with its filter
 * @param line bytes of a line without its filter
 * @param step bytes of a whole pixel, 1 where it has less
 */
function unfilter(raw: Uint8Array, at: number, line: number, rows: number, step: number, label: string): void {
  for (let y = 0, row = at + 1; y < rows; y++, row += line + 1) {
    const filter = raw[row - 1]!;
    const end = row + line;
    const up = line + 1;
    if (filter === 0) continue;
    if (filter === 1) for (let i = row + step; i < end; i++) raw[i] = raw[i]! + raw[i - step]!;
    else if (filter === 2) for (let i = row; i < end && y > 0; i++) raw[i] = raw[i]! + raw[i - up]!;
    else if (filter === 3)
      for (let i = row; i < end; i++) {
        const left = i < row + step ? 0 : raw[i - step]!;
        const above = y === 0 ? 0 : raw[i - up]!;
        raw[i] = raw[i]! + ((left + above) >> 1);
      }
    else if (filter === 4)
      for (let i = row; i < end; i++) {
        const inside = i >= row + step;
        const left = inside ? raw[i - step]! : 0;
        const above = y === 0 ? 0 : raw[i - up]!;
        const corner = inside && y > 0 ? raw[i - up - step]! : 0;
        raw[i] = raw[i]! + nearest(left, above, corner);
      }
    else throw new DataError(`${label}: a PNG with filter ${filter} in a line, expected 0 to 4: damaged`);
  }
}

/** Paeth's predictor: of the three, the nearest to left + above - corner. */
function nearest(left: number, above: number, corner: number): number {
  const toLeft = Math.abs(above - corner);
  const toAbove = Math.abs(left - corner);
  const toCorner = Math.abs(left + above - 2 * corner);
  return toLeft <= toAbove && toLeft <= toCorner ? left : toAbove <= toCorner ? above : corner;
}

/** The samples of a line, a byte each: numbers of colours as they are, others scaled to 0..255. */
function samplesOf(line: Uint8Array, count: number, { depth, colour }: Header): Uint8Array {
  if (depth === 8) return line;
  const out = new Uint8Array(count);
  if (depth === 16)
    for (let i = 0; i < count; i++) out[i] = Math.floor(((line[2 * i]! << 8) + line[2 * i + 1]! + 128) / 257);
  else {
    const most = (1 << depth) - 1;
    const scale = colour === PALETTE ? 1 : 255 / most;
    for (let i = 0; i < count; i++) {
      const bit = i * depth;
      out[i] = ((line[bit >> 3]! >> (8 - depth - (bit & 7))) & most) * scale;
    }
  }
  return out;
}

/** Colours of a line, without their alpha, to every dx-th pixel from `to` on. */
function place(samples: Uint8Array, each: number, channels: number, out: Uint8Array, to: number, dx: number): void {
  for (let from = 0, at = to; from < samples.length; from += each, at += dx * channels)
    for (let c = 0; c < channels; c++) out[at + c] = samples[from + c]!;
}

function lookUp(
  samples: Uint8Array,
  palette: Uint8Array,
  out: Uint8Array,
  to: number,
  dx: number,
  label: string,
): void {
  for (let i = 0, at = to; i < samples.length; i++, at += 3 * dx) {
    const entry = 3 * samples[i]!;
    if (entry >= palette.length)
      throw new DataError(`${label}: a PNG with colour ${samples[i]} of a palette of ${palette.length / 3}: damaged`);
    for (let c = 0; c < 3; c++) out[at + c] = palette[entry + c]!;
  }
}
