/**
 * Resizing with a triangle filter as wide as a pixel of the smaller image, so that nothing aliases. Weights have 22 bits of fraction and
 * every pass is rounded to bytes, rows first, as Pillow's `resize(..., BILINEAR)` does, which most models were trained behind.
 */
import type { Picture } from './picture.ts';

const FRACTION = 22;

/** A part of a resized image. */
export interface Window {
  /** Size of the whole resized image, in pixels. */
  readonly width: number;
  readonly height: number;
  /** The part: `columns` x `rows` pixels from column `left` and row `top` on, inside of it. */
  readonly left: number;
  readonly top: number;
  readonly columns: number;
  readonly rows: number;
}

/** What every pixel of a line is made of: `taps` weights each, the first of which is that of `start`; counts are 1 or more. */
interface Weights {
  readonly start: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  readonly taps: number;
}

/** The window of the image resized to `width` x `height`. An axis that keeps its length keeps its values. */
export function resample(picture: Picture, window: Window): Picture {
  const { channels } = picture;
  const across = weightsOf(picture.width, window.width, window.left, window.columns);
  const down = weightsOf(picture.height, window.height, window.top, window.rows);
  const first = down.start[0]!;
  const last = down.start[window.rows - 1]! + down.count[window.rows - 1]!;
  const rows = last - first;
  const { columns } = window;
  const half = 1 << (FRACTION - 1);
  const narrow = new Uint8Array(columns * rows * channels);
  for (let y = 0, to = 0; y < rows; y++) {
    const line = (first + y) * picture.width;
    for (let x = 0; x < columns; x++) {
      const [start, count, at] = [across.start[x]!, across.count[x]!, x * across.taps];
      for (let c = 0; c < channels; c++) {
        let sum = half;
        for (let i = 0, from = (line + start) * channels + c; i < count; i++, from += channels)
          sum += picture.data[from]! * across.weights[at + i]!;
        narrow[to++] = Math.min(255, sum >> FRACTION);
      }
    }
  }
  const width = columns * channels;
  const data = new Uint8Array(width * window.rows);
  for (let y = 0, to = 0; y < window.rows; y++) {
    const [start, count, at] = [down.start[y]! - first, down.count[y]!, y * down.taps];
    for (let x = 0; x < width; x++) {
      let sum = half;
      for (let i = 0, from = start * width + x; i < count; i++, from += width)
        sum += narrow[from]! * down.weights[at + i]!;
      data[to++] = Math.min(255, sum >> FRACTION);
    }
  }
  return { width: columns, height: window.rows, channels, data };
}

/** Weights of the pixels `offset`.. of a line of `size` that is resized to `to`. */
function weightsOf(size: number, to: number, offset: number, count: number): Weights {
  const scale = size / to;
  const width = Math.max(1, scale);
  const taps = size === to ? 1 : 2 * Math.ceil(width) + 1;
  const found = {
    start: new Int32Array(count),
    count: new Int32Array(count),
    weights: new Int32Array(count * taps),
    taps,
  };
  const share = new Float64Array(taps);
  for (let i = 0; i < count; i++) {
    const centre = size === to ? offset + i + 0.5 : (offset + i + 0.5) * scale;
    const start = size === to ? offset + i : Math.max(0, Math.trunc(centre - width + 0.5));
    const end = size === to ? start + 1 : Math.min(size, Math.trunc(centre + width + 0.5));
    let sum = 0;
    for (let j = start; j < end; j++) {
      const distance = Math.abs((j - centre + 0.5) * (1 / width));
      share[j - start] = distance < 1 ? 1 - distance : 0;
      sum += share[j - start]!;
    }
    found.start[i] = start;
    found.count[i] = end - start;
    for (let j = 0; j < end - start; j++)
      found.weights[i * taps + j] = Math.floor(0.5 + (share[j]! / sum) * 2 ** FRACTION);
  }
  return found;
}
