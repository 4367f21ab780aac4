import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { KernelCall, KernelName } from '../../src/wasm/calls.ts';
import { SPREAD, spread } from '../../src/wasm/spread.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();
const { arena, k } = wasm;

/** Cuts for that many threads; runs the calls one after the other, the last first. */
class Sequence {
  calls = 0;
  constructor(readonly threads: number) {}
  run(calls: readonly KernelCall[]): void {
    this.calls += calls.length;
    for (const [name, ...args] of [...calls].reverse()) (k[name] as (...args: number[]) => void)(...args);
  }
}

/** Blocks of FLOATS floats, and some scratch: what the kernels below are given. */
const FLOATS = 65_000;
const block = arena.alloc(16 * FLOATS);
const [A, B, R, Y] = [block, block + 4 * FLOATS, block + 8 * FLOATS, block + 12 * FLOATS] as const;
const small = arena.alloc(4 * 4096);
const scratch = arena.alloc(k.gemm_scratch());
/** i32 numbers below 31. */
const INDEX = arena.alloc(4 * 512);
for (let i = 0; i < 512; i++) arena.i32(INDEX, 512)[i] = (i * 7) % 31;
const ZEROS = arena.alloc(4 * 512);
arena.u8(ZEROS, 4 * 512).fill(0);
const start = normals(4 * FLOATS, random(7));
const few = normals(4096, random(8));

type Args = readonly number[];

const N = 19_989;
const [ROWS, COLS] = [131, 87] as const;
/** x [7, 60, 61] in windows of 3x2, strides 2 and 1: y [7, 29, 60]. */
const WINDOW = [17, 60, 61, 3, 2, 2, 1, 0, 0, 1, 1, 29, 60] as const;

/** Everything of gemm but its scratch. */
const PRODUCTS: readonly Args[] = [
  [0, 0, 33, 117, 311, 1, A, 311, B, 117, 0, Y, 117],
  [1, 0, 117, 33, 311, 1, A, 117, B, 33, 1, Y, 33],
  [0, 1, 117, 33, 311, 0.5, A, 311, B, 311, 0, Y, 33],
  [1, 1, 33, 117, 311, 1, A, 33, B, 311, 2, Y, 120],
  [0, 0, 1, 299, 187, 1, A, 187, B, 299, 0, Y, 299],
  [0, 1, 3, 299, 187, 1, A, 187, B, 187, 0, Y, 299],
  [0, 0, 3, 299, 187, 1, A, 187, B, 299, 0, Y, 299],
  [1, 0, 2, 301, 187, 2, A, 2, B, 301, 1, Y, 301],
  [0, 0, 299, 3, 187, 1, A, 187, B, 3, 0, Y, 3],
  [1, 0, 299, 3, 187, 1, A, 299, B, 3, 0, Y, 3],
  [0, 1, 299, 1, 187, 1, A, 187, B, 187, 0, Y, 1],
  [0, 0, 16, 17, 3999, 1, A, 3999, B, 17, 0, Y, 17],
];

const CASES: { readonly [N in KernelName]?: readonly Args[] } = {
  ...all(
    ['add', 'sub', 'mul', 'div', 'min', 'max'],
    [
      [A, B, Y, N],
      [A, B, A, N],
    ],
  ),
  ...all(
    ['add_scalar', 'sub_scalar', 'mul_scalar', 'div_scalar', 'min_scalar', 'max_scalar', 'rsub_scalar', 'rdiv_scalar'],
    [[A, 0.7, Y, N]],
  ),
  ...all(
    ['add_row', 'sub_row', 'mul_row', 'div_row', 'min_row', 'max_row', 'rsub_row', 'rdiv_row'],
    [
      [A, small, Y, ROWS, COLS],
      [A, small, A, ROWS, COLS],
    ],
  ),
  ...all(
    ['add_col', 'sub_col', 'mul_col', 'div_col', 'min_col', 'max_col', 'rsub_col', 'rdiv_col'],
    [[A, small, Y, ROWS, COLS]],
  ),
  ...all(
    ['relu', 'neg', 'abs', 'sqrt', 'reciprocal', 'exp', 'log', 'erf', 'tanh', 'sigmoid', 'gelu'],
    [
      [A, Y, N],
      [A, A, N],
    ],
  ),
  ...all(['sin', 'cos', 'softplus', 'mish'], [[A, Y, N]]),
  clip: [[A, Y, N, -0.5, 0.25]],
  leaky_relu: [[A, Y, N, 0.1]],
  swish: [[A, Y, N, 1.5]],
  elu: [[A, Y, N, 1.5, 0.5]],
  ...all(
    ['softmax', 'log_softmax'],
    [
      [A, Y, ROWS, COLS],
      [A, A, ROWS, COLS],
    ],
  ),
  layer_norm: [
    [A, small, small + 4 * COLS, Y, ROWS, COLS, 1e-5],
    [A, 0, 0, Y, ROWS, COLS, 1e-5],
  ],
  rms_norm: [
    [A, small, Y, ROWS, COLS, 1e-5],
    [A, 0, A, ROWS, COLS, 1e-5],
  ],
  channel_affine: [
    [A, small, small + 4 * 131, Y, 1, 131, 87],
    [A, small, small + 4 * 31, Y, 41, 31, 27],
  ],
  ...all(
    ['reduce_rows_sum', 'reduce_rows_mean', 'reduce_rows_max', 'reduce_rows_min', 'argmax_rows'],
    [[A, ROWS, COLS, Y]],
  ),
  ...all(['kl_rows', 'kl_probability_rows'], [[A, B, ROWS, COLS, Y]]),
  permute4: [
    [A, 17, 5, 11, 37, 11 * 5 * 37, 37, 37 * 5, 1, Y],
    [A, 1, 93, 11, 17, 0, 17, 93 * 17, 1, Y],
    [A, 1, 1, 87, 131, 0, 0, 1, 87, Y],
  ],
  maxpool2d: [[A, ...WINDOW, Y]],
  avgpool2d: [
    [A, ...WINDOW, 0, Y],
    [A, ...WINDOW, 1, Y],
  ],
  f32_to_f16: [[A, N, Y]],
  f16_to_f32: [[A, N, Y]],
  gemm: PRODUCTS.map((args) => [...args, scratch]),
  gemm_fused: PRODUCTS.flatMap((args) => {
    const [, , , n] = args;
    const [row, column] = [small, small + 4 * 500];
    return [
      [...args, 0, 0, 0, 0, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, scratch],
      [...args, row, 1, R, n! + 1, 0, 6, scratch],
      [...args, column, 2, R, n!, -1, 1, scratch],
    ];
  }),
  gemm_batch: [
    [7, 0, 1, 19, 11, 50, 1, A, 50, 19 * 50, B, 50, 0, 0, Y, 11, 19 * 11, scratch],
    [5, 1, 0, 3, 21, 100, 1, A, 3, 300, B, 21, 2110, 1, Y, 23, 80, scratch],
  ],
  softmax_scores: [
    [A, 0, 1, B, COLS, Y, ROWS, COLS],
    [A, 2, 0.3, B, 0, Y, ROWS, COLS],
    [A, 1, 3, 0, 0, A, ROWS, COLS],
  ],
  erf_gate: [
    [A, Y, N, 1.4, 1],
    [A, Y, N, 0.7, 0],
  ],
  resample: [[A, 13, 31, 23, INDEX, small, 2, 47, Y]],
  resample_nearest: [[A, 13, 31, 23, INDEX, 47, Y]],
  pad_planes: [[A, 17, 40, 41, 1, 2, 44, 48, Y]],
  im2col: [[A, 5, 40, 41, 3, 3, 1, 1, 1, 1, 1, 1, 40, 41, B, 1700]],
  pack_fields: [[A, INDEX, 61, INDEX, 211, 0, Y]],
  finish_rows: [
    [A, 200, 120, 187, small, R, -1, 1, Y],
    [A, 187, 120, 187, 0, 0, 0, 6, A],
  ],
  depthwise2d: [
    [A, 17, 2, 40, 41, B, 3, 3, 1, 1, 1, 1, 1, 1, 40, 41, Y, small, R, 0, 6, scratch],
    [A, 17, 1, 40, 41, B, 3, 3, 2, 1, 1, 1, 1, 1, 20, 41, Y, 0, 0, -1, 1, scratch],
  ],
  quantize_rows: [
    [A, ROWS, COLS, 32, small, B, 4, 0, Y],
    [A, ROWS, COLS, COLS, small, 0, 8, 1, Y],
    [A, ROWS, COLS, 16, small, B, 16, 0, Y],
  ],
  dequantize_rows: [
    [B, ROWS, COLS, 32, small, R, 4, Y],
    [B, ROWS, COLS, COLS, small, 0, 16, Y],
  ],
  fake_quantize_rows: [[A, ROWS, COLS, 32, small, B, 4, 0, Y]],
  fit_rows: [
    [A, ROWS, COLS, 32, 4, 0, 1, 0, small, B, Y],
    [A, ROWS, COLS, COLS, 3, 1, 1, 0, 0, B, 0],
  ],
  descend: [
    [A, 31, ROWS, A, B, R, Y, small, small + 4 * ROWS, 1, ZEROS, 15, 3, 0, 1, 0, B, scratch],
    [A, 31, ROWS, A, 0, R, Y, small, small + 4 * ROWS, 1, ZEROS, 15, 3, 1, 0, 0, B, scratch],
  ],
  gate: [[A, B, Y, N, 0, 1, 1, 0.1]],
  ...all(['softmax_gradient', 'log_softmax_gradient'], [[A, B, Y, ROWS, COLS]]),
  // Any bytes are integers, words and codes.
  qgemm: [
    [9, 45, 211, A, 213, 0, small, 0, B, 8, 0, Y, 47, 0, scratch],
    [1, 299, 187, A, 187, 1, small, 1, B, 4, small, Y, 299, 0, scratch],
    [131, 19, 87, A, 90, 1, small, 1, B, 2, small, Y, 140, 1, scratch],
    [9, 45, 211, A, 211, 1, small, 1, B, 8, small, Y, 10, 1, scratch],
  ],
  qconv: [
    [A, 0, INDEX, 301, INDEX, 9, 5, 0, small, B, 11, 8, small, small, 0, 0, 0, 0, 0, Y, 310, scratch],
    [A, 33, 0, 301, 0, 1, 33, 1, small, B, 11, 8, 0, small, small, 1, 3, -128, 127, Y, 301, scratch],
  ],
  requantize: [
    [A, ROWS, COLS, 90, 0, 0, small, 0, 7, 0, 255, Y, 88],
    [A, ROWS, COLS, COLS, 1, small + 800, small, 1, -7, -128, 127, Y, COLS],
  ],
  scale_sums: [
    [A, ROWS, COLS, small, small + 400, small + 800, Y],
    [A, ROWS, COLS, 0, small, 0, A],
  ],
  add_codes: [
    [A, 0, 3, 0.5, B, 1, -4, 0.25, 5003, 0.7, 1, 2, -128, 127, Y],
    [A, 1, 0, 0.1, B, 0, 0, 0.2, 4099, 0.3, 0, 9, 9, 255, Y],
  ],
  code_rows: [
    [3, 93, 300, 32, 2, 1, A, 1300, small, small + 400, B, 4, R, R, Y, 95, scratch],
    [1, 93, 300, 32, 10, 0, A, 700, small, small + 400, B, 8, R, 0, Y, 93, scratch],
  ],
  code_gemm: [[9, 93, 300, 48, 2, A, small, small + 800, B, 4, R, R, Y, 95, scratch]],
  decode_panels: [
    [A, 23, 187, 4, 64, B, R, Y],
    [A, 23, 187, 2, 192, B, 0, Y],
  ],
  norm_gradient: [
    [A, small, B, Y, ROWS, COLS, 1e-5, 1],
    [A, 0, B, B, ROWS, COLS, 1e-5, 0],
  ],
};

function all<M extends KernelName>(names: readonly M[], cases: readonly Args[]) {
  return Object.fromEntries(names.map((name) => [name, cases])) as { [K in M]: readonly Args[] };
}

/** The blocks after a call on their first contents. */
function after(call: () => void): Uint8Array {
  arena.put(block, start);
  arena.put(small, few);
  call();
  return arena.u8(block, 16 * FLOATS).slice();
}

test('every kernel that is cut has cases here', () => {
  const without = SPREAD.filter((name) => !CASES[name]);
  assert.equal(without, []);
});

for (const name of SPREAD)
  test(`${name}: in parts as in one piece, to the bit`, () => {
    for (const args of CASES[name]!) {
      const whole = after(() => (k[name] as (...args: number[]) => void)(...args));
      for (const threads of [2, 3]) {
        const pool = new Sequence(threads);
        const cut = spread(k, arena, pool, 500)[name] as (...args: number[]) => void;
        const found = after(() => cut(...args));
        assert.is(Buffer.compare(found, whole), 0, `${name}(${args}) by ${threads}`);
        assert.ok(pool.calls > 1, `${name}(${args}): expected parts`);
      }
    }
  });

/** gemm_fused of operands in panels, or not, in parts and in one piece. @returns the parts */
function inPanels(m: number, n: number, kk: number, ta: number, tb: number, threads: number): number {
  const panels = arena.alloc(k.gemm_packed_a(m, kk) + k.gemm_packed_b(kk, n));
  const other = panels + k.gemm_packed_a(m, kk);
  arena.put(block, start);
  k.gemm_pack_a(0, m, kk, A, kk, panels);
  k.gemm_pack_b(0, kk, n, B, n, other);
  const [a, b] = [ta === 2 ? panels : A, tb === 2 ? other : B];
  const rest = [small, 2, R, n, -1, 1, scratch] as const;
  const args = [ta, tb, m, n, kk, 1, a, ta === 1 ? m : kk, b, tb === 1 ? kk : n, 0, Y, n, ...rest] as const;
  const whole = after(() => k.gemm_fused(...args));
  const pool = new Sequence(threads);
  const found = after(() => spread(k, arena, pool, 500).gemm_fused(...args));
  assert.is(Buffer.compare(found, whole), 0, `${m} x ${n} x ${kk}, ${ta} ${tb}`);
  arena.free(panels);
  return pool.calls;
}

test('products of operands in panels', () => {
  for (const [ta, tb] of [
    [0, 2],
    [2, 0],
    [2, 2],
    [1, 2],
    [2, 1],
  ] as const)
    for (const [m, n] of [
      [117, 95],
      [95, 117],
    ] as const)
      assert.is(inPanels(m, n, 130, ta, tb, 3), 3);
});

test('rows of an operand in panels of any height are cut between them', () => {
  let cut = 0;
  for (let m = 16; m < 80; m++) cut += inPanels(m, 11, 130, 2, 0, 4) > 1 ? 1 : 0;
  assert.ok(cut > 50, `${cut} of 64`);
});

test('little work is left in one piece, and no product falls to what is done for few rows', () => {
  const pool = new Sequence(4);
  const cut = spread(k, arena, pool);
  cut.relu(A, Y, 100);
  cut.softmax(A, Y, 4, 10);
  cut.gemm(0, 0, 15, 15, 20000, 1, A, 20000, B, 15, 0, Y, 15, scratch);
  assert.is(pool.calls, 0);
  cut.gemm(0, 0, 16, 15, 20000, 1, A, 20000, B, 15, 0, Y, 15, scratch);
  assert.is(pool.calls, 2);
});

test('the other kernels are left as they are', () => {
  const cut = spread(k, arena, new Sequence(2));
  const names = SPREAD as readonly string[];
  for (const [name, kernel] of Object.entries(k))
    assert.is((cut as unknown as Record<string, unknown>)[name] === kernel, !names.includes(name), name);
});

test.run();
