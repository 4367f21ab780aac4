/**
 * Colour differences stored at half the resolution, brought back with a triangle filter. The decoder repeats them; every common library
 * interpolates between them (ITU-T T.81 leaves it open), and these are its weights and roundings.
 */

/** Narrower planes are left as they are. */
const LEAST_WIDTH = 3;

/**
 * Interpolates one channel in place.
 * @param data `channels` bytes a pixel, in which the channel's samples are repeated `across` x `down` times
 * @param across 1 or 2, pixels a sample of a row
 * @param down 1 or 2, pixels a sample of a column
 */
export function interpolate(
  data: Uint8Array,
  width: number,
  height: number,
  channels: number,
  channel: number,
  across: number,
  down: number,
): void {
  const columns = Math.ceil(width / across);
  const rows = Math.ceil(height / down);
  if (across === 1 ? down === 1 : columns < LEAST_WIDTH) return;
  const samples = new Uint8Array(columns * rows);
  for (let y = 0, to = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) samples[to++] = data[(y * down * width + x * across) * channels + channel]!;
  // Sums of a row and its neighbour, 3 : 1, or, where rows are all there, the row itself.
  const line = new Int32Array(columns);
  for (let y = 0; y < height; y++) {
    const near = Math.floor(y / down);
    const lower = y % down === 1;
    const far = Math.min(rows - 1, Math.max(0, near + (lower ? 1 : -1)));
    for (let x = 0; x < columns; x++)
      line[x] =
        down === 1 ? samples[near * columns + x]! : 3 * samples[near * columns + x]! + samples[far * columns + x]!;
    for (let x = 0, at = y * width * channels + channel; x < width; x++, at += channels) {
      if (across === 1) {
        data[at] = (line[x]! + (lower ? 2 : 1)) >> 2;
        continue;
      }
      const i = x >> 1;
      const right = x % 2 === 1;
      const side = i + (right ? 1 : -1);
      const next = side < 0 || side >= columns ? line[i]! : line[side]!;
      // Halves are rounded up and down in turn.
      const half = down === 1 ? (right ? 2 : 1) : right ? 7 : 8;
      data[at] = (3 * line[i]! + next + half) >> (down === 1 ? 2 : 4);
    }
  }
}
