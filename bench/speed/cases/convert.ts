/** Floats to codes and back, 32 MiB of floats, beside a copy of as many bytes within wasm memory. */
import type { Wasm } from '../../../src/node.ts';
import type { BenchCase, Group, Lab, Row } from '../lab.ts';
import { floatTensor } from '../models.ts';
import { normals, random } from '../random.ts';

const N = 2 ** 23;
const PEER = 'memcpy';
/** Codes made or taken apart at once where that needs two kernels: they stay in the cache in between. */
const CHUNK = 2 ** 14;
/** Step between codes: the floats are of deviation 1, and every width clips some. */
const stepOf = (bits: number): number => 5 / 2 ** bits;

/**
 * `copy(to, from, bytes)` by memory.copy, on imported memory: magic, version; type (i32, i32, i32) -> (); import env.memory; one
 * function; export copy; code local.get 0, 1, 2, memory.copy.
 */
const COPY = Uint8Array.from(
  [
    [0, 97, 115, 109, 1, 0, 0, 0],
    [1, 7, 1, 96, 3, 127, 127, 127, 0],
    [2, 15, 1, 3, 101, 110, 118, 6, 109, 101, 109, 111, 114, 121, 2, 0, 0],
    [3, 2, 1, 0],
    [7, 8, 1, 4, 99, 111, 112, 121, 0, 0],
    [10, 14, 1, 12, 0, 32, 0, 32, 1, 32, 2, 252, 10, 0, 0, 11],
  ].flat(),
);

type Copy = (to: number, from: number, bytes: number) => void;

async function copyIn(memory: WebAssembly.Memory): Promise<Copy> {
  const { instance } = await WebAssembly.instantiate(COPY, { env: { memory } });
  return instance.exports.copy as Copy;
}

interface Places {
  readonly floats: number;
  readonly back: number;
  readonly packed: number;
  readonly codes: number;
  readonly scale: number;
  readonly zero: number;
}

/** Floats to packed codes, and packed codes to floats. */
interface Way {
  to(wasm: Wasm, p: Places): void;
  from(wasm: Wasm, p: Places): void;
}

const BYTES: Way = {
  to: ({ k }, p) => k.f32_to_codes(p.floats, N, 1, 0, stepOf(8), -128, 127, p.packed),
  from: ({ k }, p) => k.codes_to_f32(p.packed, N, 1, 0, stepOf(8), p.back),
};

const dense = (bits: number): Way => ({
  to: ({ k }, p) => {
    for (let i = 0; i < N; i += CHUNK) {
      k.quantize_rows(p.floats + 4 * i, 1, CHUNK, CHUNK, p.scale, p.zero, bits, 0, p.codes);
      k.pack_dense(p.codes, CHUNK, bits, p.packed + (i * bits) / 8);
    }
  },
  from: ({ k }, p) => {
    for (let i = 0; i < N; i += CHUNK) {
      k.unpack_dense(p.packed + (i * bits) / 8, CHUNK, bits, p.codes);
      k.dequantize_rows(p.codes, 1, CHUNK, CHUNK, p.scale, p.zero, bits, p.back + 4 * i);
    }
  },
});

async function convert(lab: Lab, name: string, bits: number, way: Way, direction: 'to' | 'from'): Promise<Row[]> {
  const wasm = await lab.kernels();
  const { arena } = wasm;
  const copy = await copyIn(arena.memory);
  const base = arena.alloc(8 * N + N + CHUNK + 64);
  try {
    const p: Places = {
      floats: base,
      back: base + 4 * N,
      packed: base + 8 * N,
      codes: base + 9 * N,
      scale: base + 9 * N + CHUNK,
      zero: base + 9 * N + CHUNK + 16,
    };
    const x = floatTensor([N], normals(N, random(bits))).data as Float32Array;
    arena.f32(p.floats, N).set(x);
    arena.f32(p.scale, 1)[0] = stepOf(bits);
    arena.u8(p.zero, 1)[0] = 2 ** (bits - 1);
    way.to(wasm, p);
    way.from(wasm, p);
    check(x, arena.f32(p.back, N), bits);
    const work = () => way[direction](wasm, p);
    return await lab.rows(name, work, [{ peer: PEER, work: () => copy(p.back, p.floats, 4 * N) }]);
  } finally {
    arena.free(base);
  }
}

/** Every float comes back within half a step of itself, clipped to the range the codes have. */
function check(x: Float32Array, back: Float32Array, bits: number): void {
  const step = stepOf(bits);
  const half = 2 ** (bits - 1);
  for (let i = 0; i < x.length; i++) {
    const clipped = Math.min(Math.max(x[i]!, -half * step), (half - 1) * step);
    if (!(Math.abs(back[i]! - clipped) <= step * 0.5001))
      throw new Error(`element ${i}: expected ${clipped} within ${step / 2}, found ${back[i]}`);
  }
}

function cases(bits: number, way: Way): BenchCase[] {
  const label = bits === 8 || bits === 4 ? `int${bits}` : `${bits} bits`;
  return (['to', 'from'] as const).map((direction) => {
    const name = direction === 'to' ? `convert f32 to ${label}` : `convert ${label} to f32`;
    return { name, peers: [PEER], run: (lab) => convert(lab, name, bits, way, direction) };
  });
}

export const conversions: Group = {
  name: 'convert',
  cases: [cases(8, BYTES), ...[4, 3, 5, 6, 7].map((bits) => cases(bits, dense(bits)))].flat(),
};
