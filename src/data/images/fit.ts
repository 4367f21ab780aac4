/** Images of any proportions in the size that a model takes. */
import type { ImageFit } from './options.ts';
import type { Picture } from './picture.ts';
import { resample } from './resample.ts';

/** What images are made to fit. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly fit: ImageFit;
  /** Share of the shorter side that is kept by `crop`. */
  readonly crop: number;
}

/** The pixels of the image in the frame, as many channels as it has. */
export function fitted(picture: Picture, frame: Frame): Uint8Array {
  const { width, height, fit } = frame;
  if (fit === 'pad') return padded(picture, frame);
  if (fit === 'crop') return cropped(picture, frame);
  return resample(picture, { width, height, left: 0, top: 0, columns: width, rows: height }).data;
}

/** The longer side to size, black on both sides. */
function padded(picture: Picture, { width, height }: Frame): Uint8Array {
  const { width: w, height: h, channels } = picture;
  const wide = w * height >= h * width;
  const columns = wide ? width : Math.max(1, Math.round((height * w) / h));
  const rows = wide ? Math.max(1, Math.round((width * h) / w)) : height;
  const inner = resample(picture, { width: columns, height: rows, left: 0, top: 0, columns, rows }).data;
  const out = new Uint8Array(width * height * channels);
  const left = Math.floor((width - columns) / 2);
  const top = Math.floor((height - rows) / 2);
  const line = columns * channels;
  for (let y = 0; y < rows; y++)
    out.set(inner.subarray(y * line, (y + 1) * line), ((top + y) * width + left) * channels);
  return out;
}

/** The shorter side to size, the middle of it. */
function cropped(picture: Picture, { width, height, crop }: Frame): Uint8Array {
  const { width: w, height: h } = picture;
  const columns = Math.max(width, Math.floor(width / crop));
  const rows = Math.max(height, Math.floor(height / crop));
  const narrow = w * rows <= h * columns;
  const whole = narrow
    ? { width: columns, height: Math.max(rows, Math.floor((columns * h) / w)) }
    : { width: Math.max(columns, Math.floor((rows * w) / h)), height: rows };
  const left = middle(whole.width - width);
  const top = middle(whole.height - height);
  return resample(picture, { ...whole, left, top, columns: width, rows: height }).data;
}

/** Half of a whole number, rounded to the even one of two that are as near. */
function middle(n: number): number {
  const half = Math.floor(n / 2);
  return n % 2 === 1 && half % 2 === 1 ? half + 1 : half;
}
