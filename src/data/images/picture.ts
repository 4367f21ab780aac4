/** Decoded pixels. */
import { DataError } from '../../errors.ts';

/** An image: `data` has `channels` bytes a pixel (1: grey; 3: red, green, blue), rows from the top, pixels from the left. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

/** Most pixels of an image that is decoded, and most of them side by side. */
export const MAX_PIXELS = 2 ** 26;
const MAX_SIDE = 2 ** 16 - 1;

/**
 * @param label what errors call the image
 * @throws DataError for an image without pixels, or with more than are decoded
 */
export function checkPixels(width: number, height: number, label: string): void {
  if (width < 1 || height < 1) throw new DataError(`${label}: ${width} x ${height} pixels, expected at least one`);
  if (width * height > MAX_PIXELS || width > MAX_SIDE || height > MAX_SIDE)
    throw new DataError(
      `${label}: ${width} x ${height} pixels, expected at most ${Math.floor(MAX_PIXELS / 1e6)} million and ${MAX_SIDE} a side: make it smaller`,
    );
}

/** Luma of ITU-R BT.601 in 16 bits of fraction, rounded. */
export function toGrey({ width, height, channels, data }: Picture): Picture {
  if (channels === 1) return { width, height, channels, data };
  const grey = new Uint8Array(width * height);
  for (let i = 0, at = 0; i < grey.length; i++, at += 3)
    grey[i] = (19595 * data[at]! + 38470 * data[at + 1]! + 7471 * data[at + 2]! + 32768) >> 16;
  return { width, height, channels: 1, data: grey };
}

/** Three times the same value a pixel. */
export function toColour({ width, height, channels, data }: Picture): Picture {
  if (channels === 3) return { width, height, channels, data };
  const colour = new Uint8Array(3 * data.length);
  for (let i = 0, at = 0; i < data.length; i++, at += 3) colour.fill(data[i]!, at, at + 3);
  return { width, height, channels: 3, data: colour };
}

/**
 * The image as it is meant to be seen.
 * @param orientation 1..8 as EXIF 2.3 numbers them (tag 274): which way the first row and column lie; 1 is upright
 */
export function upright(picture: Picture, orientation: number): Picture {
  const { width: w, height: h, channels, data } = picture;
  if (orientation < 2 || orientation > 8) return picture;
  const turned = orientation >= 5;
  const [width, height] = turned ? [h, w] : [w, h];
  // Of the stored image: whether its columns, and whether its rows, are read from their end.
  const right = [2, 3, 7, 8].includes(orientation);
  const bottom = [3, 4, 6, 7].includes(orientation);
  const column = (right ? -1 : 1) * channels;
  const row = (bottom ? -1 : 1) * w * channels;
  const [stepX, stepY] = turned ? [row, column] : [column, row];
  const start = ((bottom ? h - 1 : 0) * w + (right ? w - 1 : 0)) * channels;
  const out = new Uint8Array(data.length);
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0, from = start + y * stepY; x < width; x++, from += stepX)
      for (let c = 0; c < channels; c++) out[to++] = data[from + c]!;
  return { width, height, channels, data: out };
}
