import type { Wasm } from '../wasm/wasm.ts';

const SMALLEST = 5.9604644775390625e-8; // 2^-24
const LARGEST = 65504;

/** Nearest halves (ties to even) of floats, as their bits. */
export function toHalf(wasm: Wasm, x: Float32Array): Uint16Array {
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const from = alloc(x.byteLength);
    const to = alloc(x.length * 2);
    arena.put(from, x);
    k.f32_to_f16(from, x.length, to);
    return arena.u16(to, x.length).slice();
  });
}

/** Halves, given as their bits, as floats: exact. */
export function fromHalf(wasm: Wasm, bits: Uint16Array): Float32Array {
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const from = alloc(bits.byteLength);
    const to = alloc(bits.length * 4);
    arena.put(from, bits);
    k.f16_to_f32(from, bits.length, to);
    return arena.f32(to, bits.length).slice();
  });
}

/** Positive scales as the nearest half that is neither 0 nor infinite. */
export function roundToHalf(wasm: Wasm, scales: Float32Array): Float32Array {
  return fromHalf(
    wasm,
    toHalf(
      wasm,
      scales.map((s) => Math.min(Math.max(s, SMALLEST), LARGEST)),
    ),
  );
}
