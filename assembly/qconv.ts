/** Convolutions of 8-bit integers: rows of bytes under the window (channels.ts) times panels of codes (qgemm.ts). */
import { gather_bytes } from './channels';
import { NR } from './panels';
import { qgemm, qgemm_scratch } from './qgemm';
import { requantize } from './requantize';

/** Places at a time: a block of qgemm's rows. */
const PLACES = 128;

/** Bytes of scratch for rows of k bytes and n channels. */
export function qconv_scratch(k: i32, n: i32): usize {
  return <usize>qgemm_scratch() + <usize>PLACES * <usize>((k + 15) & ~15) + ((<usize>PLACES * <usize>(n + NR)) << 2);
}

/**
 * `rows` places of one group of one image into n channels, which lie ldo elements apart. The bytes of place i are `taps` runs of
 * `bytes` at x + places[i] + offsets[t] (gather_bytes), or, where lda is not 0, its k = taps * bytes bytes at x + i * lda. signed,
 * zeroA, panels, zerosB are qgemm's. With factors 0, out is i32 sums; else codes, as requantize makes them by row.
 */
export function qconv(
  x: usize,
  lda: i32,
  places: usize,
  rows: i32,
  offsets: usize,
  taps: i32,
  bytes: i32,
  signed: i32,
  zeroA: usize,
  panels: usize,
  n: i32,
  bits: i32,
  zerosB: usize,
  bias: usize,
  factors: usize,
  type: i32,
  zero: i32,
  lo: i32,
  hi: i32,
  out: usize,
  ldo: i32,
  scratch: usize,
): void {
  const k = taps * bytes;
  const fields = scratch + <usize>qgemm_scratch();
  const sums = fields + <usize>PLACES * <usize>((k + 15) & ~15);
  // Blocks of nearly equal height, as qgemm would cut them.
  const count = (rows + PLACES - 1) / PLACES;
  const height = count == 0 ? 0 : ((rows + count - 1) / count + 3) & ~3;
  for (let i = 0; i < rows; i += height) {
    const m = min(height, rows - i);
    let a = fields;
    if (lda) a = x + <usize>i * <usize>lda;
    else gather_bytes(x, places + ((<usize>i) << 2), m, offsets, taps, bytes, fields);
    const width = lda ? lda : k;
    if (factors) {
      qgemm(m, n, k, a, width, signed, zeroA, 0, panels, bits, zerosB, sums, PLACES, 1, scratch);
      requantize(sums, n, m, PLACES, 1, bias, factors, type, zero, lo, hi, out + <usize>i, ldo);
    } else {
      qgemm(m, n, k, a, width, signed, zeroA, 0, panels, bits, zerosB, out + ((<usize>i) << 2), ldo, 1, scratch);
    }
  }
}
