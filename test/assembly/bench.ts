import * as assert from 'uvu/assert';
import type { TypedArray } from '../../src/tensor.ts';
import type { Wasm } from '../../src/wasm/wasm.ts';

/** Lengths around every vector width and unrolling in the kernels. */
export const LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 100, 257];

const GUARD = 32;
const FILL = 0xa5;

/** An output of a kernel: read it back with `read`, which also fails if a byte beside it was written. */
export interface Output<T> {
  readonly ptr: number;
  read(): T;
}

/** Places a kernel's operands in wasm memory, off the 16-byte grid by `skew` bytes, and frees them all at the end. */
export class Bench {
  readonly #blocks: number[] = [];
  constructor(
    readonly wasm: Wasm,
    readonly skew: number = 4,
  ) {}

  /** Copies data in; returns its address. */
  put(data: TypedArray): number {
    const ptr = this.#alloc(data.byteLength, this.#skewFor(data.BYTES_PER_ELEMENT));
    this.wasm.arena.put(ptr, data);
    return ptr;
  }

  /** Room for n elements, filled with a pattern and guarded on both sides. */
  f32(n: number): Output<Float32Array> {
    return this.#out(n, 4, (ptr) => this.wasm.arena.f32(ptr, n).slice());
  }
  f64(n: number): Output<Float64Array> {
    return this.#out(n, 8, (ptr) => this.wasm.arena.f64(ptr, n).slice());
  }
  u8(n: number): Output<Uint8Array> {
    return this.#out(n, 1, (ptr) => this.wasm.arena.u8(ptr, n).slice());
  }
  i8(n: number): Output<Int8Array> {
    return this.#out(n, 1, (ptr) => this.wasm.arena.i8(ptr, n).slice());
  }
  u16(n: number): Output<Uint16Array> {
    return this.#out(n, 2, (ptr) => this.wasm.arena.u16(ptr, n).slice());
  }
  i16(n: number): Output<Int16Array> {
    return this.#out(n, 2, (ptr) => this.wasm.arena.i16(ptr, n).slice());
  }
  i32(n: number): Output<Int32Array> {
    return this.#out(n, 4, (ptr) => this.wasm.arena.i32(ptr, n).slice());
  }
  u32(n: number): Output<Uint32Array> {
    return this.#out(n, 4, (ptr) => this.wasm.arena.u32(ptr, n).slice());
  }

  /** Scratch at a multiple of 16. */
  scratch(bytes: number): number {
    return this.#alloc(bytes, 0);
  }

  dispose(): void {
    for (const ptr of this.#blocks) this.wasm.arena.free(ptr);
    this.#blocks.length = 0;
  }

  #skewFor(size: number): number {
    return Math.ceil(this.skew / size) * size;
  }

  #alloc(bytes: number, skew: number): number {
    const block = this.wasm.arena.alloc(bytes + skew);
    this.#blocks.push(block);
    return block + skew;
  }

  #out<T>(n: number, size: number, view: (ptr: number) => T): Output<T> {
    const bytes = n * size;
    const start = this.#alloc(bytes + 2 * GUARD, this.#skewFor(size));
    const ptr = start + GUARD;
    this.wasm.arena.u8(start, bytes + 2 * GUARD).fill(FILL);
    return {
      ptr,
      read: () => {
        const all = this.wasm.arena.u8(start, bytes + 2 * GUARD);
        for (let i = 0; i < GUARD; i++) {
          if (all[i] !== FILL) throw new Error(`byte ${i - GUARD} before an output of ${bytes} was written`);
          if (all[GUARD + bytes + i] !== FILL) throw new Error(`byte ${i} past an output of ${bytes} was written`);
        }
        return view(ptr);
      },
    };
  }
}

/** Runs `body` with a bench at several alignments. */
export function eachSkew(wasm: Wasm, body: (bench: Bench) => void): void {
  for (const skew of [0, 4, 12]) {
    const bench = new Bench(wasm, skew);
    try {
      body(bench);
    } finally {
      bench.dispose();
    }
  }
}

/** |found - expected| <= absolute + relative |expected| for each element; NaN equals NaN; the worst element is printed. */
export function close(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: { relative?: number; absolute?: number },
  what: string,
): void {
  assert.is(found.length, expected.length, `${what}: length`);
  let worst = 0;
  let at = -1;
  for (let i = 0; i < expected.length; i++) {
    const f = found[i]!;
    const e = expected[i]!;
    if (f === e || (Number.isNaN(f) && Number.isNaN(e))) continue;
    const allowed = (tolerance.absolute ?? 0) + (tolerance.relative ?? 0) * Math.abs(e);
    const ratio = Number.isFinite(f) && Number.isFinite(e) ? Math.abs(f - e) / allowed : Number.POSITIVE_INFINITY;
    if (!(ratio <= worst)) {
      worst = ratio;
      at = i;
    }
  }
  if (worst > 1)
    assert.unreachable(
      `${what}: element ${at}: expected ${expected[at]}, found ${found[at]}, ${worst} times the tolerance`,
    );
}

/** Equal bit for bit, except that every NaN equals every NaN and 0 equals -0. */
export function same(found: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  close(found, expected, { absolute: Number.MIN_VALUE }, what);
}
