import type { Wasm } from './wasm.ts';

/** Floats, or their bytes, little-endian, at any address. */
export type Floats = Float32Array | Uint8Array;

/** Copies floats to the kernels' memory. @returns their address */
export function placeFloats({ arena }: Wasm, alloc: (bytes: number) => number, floats: Floats): number {
  const address = alloc(floats.byteLength);
  arena.put(address, floats);
  return address;
}

/** As floats: a copy of what is bytes. */
export function asFloatArray(floats: Floats): Float32Array {
  return floats instanceof Float32Array ? floats : new Float32Array(floats.slice().buffer as ArrayBuffer);
}

/**
 * Checks a row-major [m, n] matrix; `what` names the function in the message.
 * @throws TypeError when a is neither a Float64Array nor a Float32Array
 * @throws RangeError for a shape that does not fit a, and for NaN or infinity in it
 */
export function checkMatrix(what: string, a: Float64Array | Float32Array, m: number, n: number): void {
  if (!(a instanceof Float64Array || a instanceof Float32Array))
    throw new TypeError(`${what}: expected a Float64Array, found ${typeof a}`);
  for (const [name, value] of [
    ['m', m],
    ['n', n],
  ] as const) {
    if (!Number.isInteger(value) || value < 0 || value > 2 ** 28) {
      throw new RangeError(`${what}: ${name}: expected a whole number of 0 to 2^28, found ${value}`);
    }
  }
  if (a.length !== m * n) throw new RangeError(`${what}: expected ${m} x ${n} = ${m * n} elements, found ${a.length}`);
  if (allFinite(a)) return;
  const i = a.findIndex((v: number) => !Number.isFinite(v));
  throw new RangeError(`${what}: expected finite elements, found ${a[i]} at row ${Math.floor(i / n)}, column ${i % n}`);
}

/** NaN and infinity times 0 are NaN, which no sum loses again. */
export function allFinite(a: Float64Array | Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * 0;
  return sum === 0;
}

/** Largest absolute value; 0 when empty. */
export function maxAbs(a: Float64Array | Float32Array): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]!));
  return most;
}

/** A power of two that brings a largest element to about 1, so that squares neither overflow nor underflow. */
export function scaleFor(largest: number): number {
  return powerOfTwo(-Math.max(-1000, Math.min(1000, exponent(largest))));
}

/** Binary exponent of a positive finite number: 2^e <= x < 2^(e+1); -1023 for subnormal ones. */
function exponent(x: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  return (view.getUint16(0) >> 4) - 1023;
}

/** 2^e for e in [-1022, 1023]. */
function powerOfTwo(e: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint16(0, (e + 1023) << 4);
  return view.getFloat64(0);
}

/** Which row and which column of the matrix that is decomposed each one of the work is, and what the columns are multiplied by. */
export interface Arrangement {
  readonly rows: Uint32Array;
  readonly cols: Uint32Array;
  readonly factors: Float64Array;
}

/** Fills `to`, column-major [tall, size], from a, row-major [tall, size], or [size, tall] when `wide`. */
export function place(
  to: Float64Array,
  a: Float64Array | Float32Array,
  wide: boolean,
  { rows, cols, factors }: Arrangement,
): void {
  const [tall, size] = [rows.length, cols.length];
  if (wide) {
    for (let j = 0; j < size; j++) {
      const [from, factor] = [cols[j]! * tall, factors[j]!];
      for (let i = 0; i < tall; i++) to[j * tall + i] = a[from + rows[i]!]! * factor;
    }
    return;
  }
  // Some rows at a time, so that what is written together lies together.
  for (let first = 0; first < tall; first += 16) {
    const end = Math.min(tall, first + 16);
    for (let j = 0; j < size; j++) {
      const [from, factor] = [cols[j]!, factors[j]!];
      for (let i = first; i < end; i++) to[j * tall + i] = a[rows[i]! * size + from]! * factor;
    }
  }
}

/** 0 to count - 1. */
export function inOrder(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i);
}
