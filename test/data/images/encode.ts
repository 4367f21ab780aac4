/** A PNG writer for tests: every colour type, depth, filter and interlacing, and chunks as they are wanted. */
import { zlibSync } from 'fflate';
import { crc32 } from '../../../src/data/zip.ts';

export interface PngParts {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly interlaced?: boolean;
  /** Samples in row-major order, 0..2^depth - 1 each. */
  readonly samples: ArrayLike<number>;
  readonly palette?: readonly number[];
  /** The filter of the n-th line written; 0 unless told. */
  readonly filter?: (line: number) => number;
  /** Further chunks before the pixels. */
  readonly chunks?: readonly Uint8Array[];
  /** Bytes a chunk of pixels; all in one unless told. */
  readonly piece?: number;
}

export const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

export function bytesOf(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((v, i) => view.setUint32(4 * i, v));
  return new Uint8Array(view.buffer);
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function chunk(type: string, body: Uint8Array): Uint8Array {
  const content = join([Uint8Array.from(type, (c) => c.charCodeAt(0)), body]);
  return join([bytesOf(body.length), content, bytesOf(crc32(content))]);
}

export const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
export const END = chunk('IEND', new Uint8Array(0));

export function header({ width, height, depth, colour, interlaced }: Omit<PngParts, 'samples'>): Uint8Array {
  return chunk('IHDR', join([bytesOf(width, height), Uint8Array.of(depth, colour, 0, 0, interlaced ? 1 : 0)]));
}

/** The pass of Adam7 that a pixel is in: the table of the standard, pixel by pixel. */
const ADAM7 = ['16462646', '77777777', '56565656', '77777777', '36463646', '77777777', '56565656', '77777777'];

export function encodePng(parts: PngParts): Uint8Array {
  const { width, height, interlaced } = parts;
  const passes = interlaced ? [1, 2, 3, 4, 5, 6, 7] : [0];
  const lines: Uint8Array[] = [];
  let count = 0;
  for (const pass of passes) {
    let before: Uint8Array | undefined;
    for (let y = 0; y < height; y++) {
      const columns: number[] = [];
      for (let x = 0; x < width; x++) if (pass === 0 || ADAM7[y % 8]![x % 8] === `${pass}`) columns.push(x);
      if (columns.length === 0) continue;
      const line = packed(parts, y, columns);
      lines.push(filtered(parts, line, before ?? new Uint8Array(line.length), parts.filter?.(count++) ?? 0));
      before = line;
    }
  }
  const data = zlibSync(join(lines));
  const piece = parts.piece ?? data.length;
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += piece) pieces.push(chunk('IDAT', data.subarray(at, at + piece)));
  const palette = parts.palette ? [chunk('PLTE', Uint8Array.from(parts.palette))] : [];
  return join([SIGNATURE, header(parts), ...palette, ...(parts.chunks ?? []), ...pieces, END]);
}

function packed({ width, depth, colour, samples }: PngParts, y: number, columns: readonly number[]): Uint8Array {
  const each = SAMPLES[colour]!;
  const bits = columns.flatMap((x) =>
    Array.from({ length: each }, (_, c) => samples[(y * width + x) * each + c]!.toString(2).padStart(depth, '0')),
  );
  const text = bits.join('');
  return Uint8Array.from({ length: Math.ceil(text.length / 8) }, (_, i) =>
    Number.parseInt(text.slice(8 * i, 8 * i + 8).padEnd(8, '0'), 2),
  );
}

function filtered({ depth, colour }: PngParts, line: Uint8Array, before: Uint8Array, filter: number): Uint8Array {
  const step = Math.max(1, (SAMPLES[colour]! * depth) / 8);
  const at = (of: Uint8Array, i: number): number => (i < 0 ? 0 : of[i]!);
  const out = Array.from(line, (v, i) => {
    const [a, b, c] = [at(line, i - step), before[i]!, at(before, i - step)];
    const p = a + b - c;
    const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
    const paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    return v - [0, a, b, Math.floor((a + b) / 2), paeth][filter]!;
  });
  return Uint8Array.from([filter, ...out]);
}
