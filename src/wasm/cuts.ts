import type { KernelName } from './calls.ts';
import { INTEGER_CUTS } from './cuts-integer.ts';
import type { Kernels } from './kernels.ts';

/** How the work of a kernel falls apart into that of the same kernel on ranges. */
export interface Cut {
  /** The argument that counts the things to cut. */
  readonly count: number;
  /** What every part's count is a multiple of, where cuts anywhere else would change results. */
  readonly unit: number;
  /** Fewest things of a part, where fewer would change results; 1 unless told. */
  readonly least?: number;
  /** No cut lies behind that many things; all of them unless told. */
  readonly until?: number;
  /** Work in one thing: about a nanosecond each. */
  readonly work: number;
  /** Bytes by which addresses move on with every thing: argument, bytes. An address of 0 (nothing there) stays. */
  readonly moves: readonly (readonly [argument: number, bytes: number])[];
  /** The argument that is scratch, and the bytes each part needs. */
  readonly scratch?: readonly [argument: number, bytes: number];
}

/** Where to cut a call with those arguments. */
export type Cutter = (args: readonly number[], kernels: Kernels) => Cut;

/** Columns of a panel of a matrix product, and what a transpose flag says of an operand in panels. */
const NR = 8;
const PACKED = 2;
/** A multiple of every step of the elementwise kernels: each element keeps its lane. */
const LANES = 64;

/** y[i] = f(x[i], ...): arguments at `at` are arrays of floats. */
function elements(count: number, at: readonly number[], work: number): Cutter {
  const cut = { count, unit: LANES, work, moves: at.map((argument) => [argument, 4] as const) };
  return () => cut;
}

/** Rows of `cols` floats (argument) at `at`; one element a row at `single`, bytes each. */
function rows(
  count: number,
  cols: number,
  at: readonly number[],
  work: number,
  single: readonly (readonly [number, number])[] = [],
): Cutter {
  return (args) => ({
    count,
    unit: 1,
    work: work * args[cols]! + 1,
    moves: [...at.map((argument) => [argument, 4 * args[cols]!] as const), ...single],
  });
}

const binary = elements(3, [0, 1, 2], 0.3);
const binaryScalar = elements(3, [0, 2], 0.25);
const binaryRow = rows(3, 4, [0, 2], 0.25);
const binaryColumn = rows(3, 4, [0, 2], 0.25, [[1, 4]]);
const light = elements(2, [0, 1], 0.25);
const heavy = elements(2, [0, 1], 1);
const reduction = rows(1, 2, [0], 0.2, [[3, 4]]);
const divergence = rows(2, 3, [0, 1], 10, [[4, 8]]);
const half = (bytes: readonly [number, number]) => (): Cut => ({
  count: 1,
  unit: LANES,
  work: 0.4,
  moves: [
    [0, bytes[0]],
    [2, bytes[1]],
  ],
});

/** Windows over planes: x first, y at `y`. */
function planes(y: number): Cutter {
  return (args) => {
    const [, , h, w, kh, kw] = args as [number, number, number, number, number, number];
    const places = args[12]! * args[13]!;
    return {
      count: 1,
      unit: 1,
      work: 0.3 * places * kh * kw + 1,
      moves: [
        [0, 4 * h * w],
        [y, 4 * places],
      ],
    };
  };
}

/**
 * Rows of A's panels (assembly/gemm-pack.ts): nearly equal, the taller ones first, so that any run of panels is again such a matrix.
 * `until`: the row behind the last panel of that height.
 */
function panelsOf(m: number, most: number): { height: number; until: number } {
  const count = Math.ceil(m / most);
  const low = Math.floor(m / count);
  const tall = m - low * count;
  return tall === 0 ? { height: low, until: m } : { height: low + 1, until: tall * (low + 1) };
}

/** A matrix product: arguments that differ between gemm and gemm_fused. */
interface Product {
  readonly scratch: number;
  readonly bias?: number;
}

/**
 * Rows or columns of C, whichever there are more of: every thread packs its own part of one operand and all of the other. An operand
 * in panels is cut between them. Products of few rows or columns go another way: no part may become one.
 */
function product({ scratch, bias }: Product): Cutter {
  return (args, kernels) => {
    const [transA, transB, m, n, k] = args as [number, number, number, number, number];
    const panels = transA === PACKED ? panelsOf(m, kernels.gemm_rows()) : { height: NR, until: m };
    const byRows = m > n && panels.until > m / 2;
    const fused =
      bias === undefined ? undefined : { bias, kind: args[bias + 1]!, residual: bias + 2, ldr: args[bias + 3]! };
    const moves: (readonly [number, number])[] = byRows
      ? [
          [6, transA === PACKED ? 4 * k : transA ? 4 : 4 * args[7]!],
          [11, 4 * args[12]!],
        ]
      : [
          [8, transB === PACKED ? 4 * k : transB ? 4 * args[9]! : 4],
          [11, 4],
        ];
    if (fused) {
      moves.push([fused.residual, byRows ? 4 * fused.ldr : 4]);
      if (fused.kind === (byRows ? 2 : 1)) moves.push([fused.bias, 4]);
    }
    return {
      count: byRows ? 2 : 3,
      unit: byRows ? panels.height : NR,
      until: byRows ? panels.until : n,
      least: NR,
      work: 0.05 * k * (byRows ? n : m) + 1,
      moves,
      scratch: [scratch, kernels.gemm_scratch()],
    };
  };
}

/** Whole products. */
function batch(args: readonly number[], kernels: Kernels): Cut {
  const [, , , m, n, k] = args as [number, number, number, number, number, number];
  return {
    count: 0,
    unit: 1,
    work: 0.05 * m * n * k + 1,
    moves: [
      [7, 4 * args[9]!],
      [10, 4 * args[12]!],
      [14, 4 * args[16]!],
    ],
    scratch: [17, kernels.gemm_scratch()],
  };
}

/** One image's channels, or many images. */
function channels(args: readonly number[]): Cut {
  const [, , , , n, c, spatial] = args as [number, number, number, number, number, number, number];
  const one = n === 1;
  const size = 4 * spatial * (one ? 1 : c);
  const moves: [number, number][] = [
    [0, size],
    [3, size],
  ];
  if (one) moves.push([1, 4], [2, 4]);
  return { count: one ? 5 : 4, unit: 1, work: 0.08 * size + 1, moves };
}

/** The outermost dimension above 1. */
function permuted(args: readonly number[]): Cut {
  const outer = args[1]! > 1 ? 0 : args[2]! > 1 ? 1 : 2;
  let inner = 1;
  for (let d = outer + 1; d < 4; d++) inner *= args[1 + d]!;
  return {
    count: 1 + outer,
    unit: 1,
    work: 0.6 * inner + 1,
    moves: [
      [0, 4 * args[5 + outer]!],
      [9, 4 * inner],
    ],
  };
}

/** Images laid out in wider ones. */
function padding(args: readonly number[]): Cut {
  const [, , h, w] = args as [number, number, number, number];
  const size = args[6]! * args[7]!;
  return {
    count: 1,
    unit: 1,
    work: 0.3 * size + 1,
    moves: [
      [0, 4 * h * w],
      [8, 4 * size],
    ],
  };
}

/** Channels of receptive fields. */
function fields(args: readonly number[]): Cut {
  const [, , h, w, kh, kw] = args as [number, number, number, number, number, number];
  return {
    count: 1,
    unit: 1,
    work: 0.4 * kh * kw * args[12]! * args[13]! + 1,
    moves: [
      [0, 4 * h * w],
      [14, 4 * kh * kw * args[15]!],
    ],
  };
}

/** Planes with weights of their own. */
function depthwise(args: readonly number[], kernels: Kernels): Cut {
  const [, , multiplier, h, w, , kh, kw] = args as [number, number, number, number, number, number, number, number];
  const [sh, sw, , , dh, dw, oh, ow] = args.slice(8, 16) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const places = oh * ow;
  return {
    count: 1,
    unit: 1,
    work: 0.15 * multiplier * kh * kw * places + 1,
    moves: [
      [0, 4 * h * w],
      [5, 4 * multiplier * kh * kw],
      [16, 4 * multiplier * places],
      [17, 4 * multiplier],
      [18, 4 * multiplier * places],
    ],
    scratch: [21, kernels.depthwise_scratch(kh, kw, sh, sw, dh, dw, oh, ow)],
  };
}

function packedFields(args: readonly number[]): Cut {
  const depth = args[2]!;
  return {
    count: 4,
    unit: NR,
    least: NR,
    work: 0.4 * depth + 1,
    moves: [
      [3, 4],
      [6, 4 * depth],
    ],
  };
}

function finishedRows(args: readonly number[]): Cut {
  const [, ldx, , n] = args as [number, number, number, number];
  return {
    count: 2,
    unit: 1,
    work: 0.3 * n + 1,
    moves: [
      [0, 4 * ldx],
      [4, 4],
      [5, 4 * n],
      [8, 4 * n],
    ],
  };
}

function scores(args: readonly number[]): Cut {
  const size = 4 * args[7]!;
  return {
    count: 6,
    unit: 1,
    work: args[7]! + 1,
    moves: [
      [0, size],
      [3, 4 * args[4]!],
      [5, size],
    ],
  };
}

/** Interpolation: outer stretches of `from` floats become such of `to`. */
function interpolation(y: number, taps: number, from: number, to: number): Cut {
  return {
    count: 1,
    unit: 1,
    work: 0.3 * taps * to + 1,
    moves: [
      [0, 4 * from],
      [y, 4 * to],
    ],
  };
}

/** Rows of weights, their scales and zero points, their codes: arguments; `out` is floats again, or 0. */
function gridRows(
  work: number,
  at: { weights?: number; out?: number; scales: number; zeros: number; codes?: number; bits: number },
): Cutter {
  return (args) => {
    // the first three numbers behind the first address are rows, columns and columns a scale
    const [, , cols, block] = args as [number, number, number, number];
    const perRow = Math.ceil(cols / block);
    const code = args[at.bits]! > 8 ? 2 : 1;
    const moves: [number, number][] = [
      [at.scales, 4 * perRow],
      [at.zeros, code * perRow],
    ];
    if (at.weights !== undefined) moves.push([at.weights, 4 * cols]);
    if (at.out !== undefined) moves.push([at.out, 4 * cols]);
    if (at.codes !== undefined) moves.push([at.codes, code * cols]);
    return { count: 1, unit: 1, work: work * cols + 1, moves };
  };
}

/** Rows whose codes are chosen under one Gram matrix. */
function descent(args: readonly number[], kernels: Kernels): Cut {
  const n = args[1]!;
  const perRow = args[9]!;
  return {
    count: 2,
    unit: 1,
    work: 0.5 * n * n,
    moves: [...[3, 4, 5, 6].map((i): [number, number] => [i, 4 * n]), [7, 4 * perRow], [8, 4 * perRow], [16, 8]],
    scratch: [17, kernels.descend_scratch(n)],
  };
}

/** The kernels that an engine with threads cuts by itself. Everything is computed as in one piece, so results are the same. */
export const CUTS: { readonly [N in KernelName]?: Cutter } = {
  gemm: product({ scratch: 13 }),
  gemm_fused: product({ scratch: 19, bias: 13 }),
  gemm_batch: batch,
  ...of(['add', 'sub', 'mul', 'div', 'min', 'max'], binary),
  ...of(['add_scalar', 'sub_scalar', 'mul_scalar', 'div_scalar', 'min_scalar', 'max_scalar'], binaryScalar),
  ...of(['rsub_scalar', 'rdiv_scalar'], binaryScalar),
  ...of(['add_row', 'sub_row', 'mul_row', 'div_row', 'min_row', 'max_row', 'rsub_row', 'rdiv_row'], binaryRow),
  ...of(['add_col', 'sub_col', 'mul_col', 'div_col', 'min_col', 'max_col', 'rsub_col', 'rdiv_col'], binaryColumn),
  ...of(['relu', 'neg', 'abs', 'sqrt', 'reciprocal', 'clip', 'leaky_relu'], light),
  ...of(['exp', 'log', 'erf', 'tanh', 'sigmoid', 'gelu', 'sin', 'cos', 'softplus', 'mish', 'elu', 'swish'], heavy),
  ...of(['softmax', 'log_softmax'], rows(2, 3, [0, 1], 1)),
  softmax_scores: scores,
  erf_gate: heavy,
  layer_norm: rows(4, 5, [0, 3], 0.8),
  rms_norm: rows(3, 4, [0, 2], 0.6),
  channel_affine: channels,
  ...of(['reduce_rows_sum', 'reduce_rows_mean', 'reduce_rows_max', 'reduce_rows_min'], reduction),
  argmax_rows: reduction,
  ...of(['kl_rows', 'kl_probability_rows'], divergence),
  permute4: permuted,
  resample: (args) => interpolation(8, args[6]!, args[2]! * args[3]!, args[7]! * args[3]!),
  resample_nearest: (args) => interpolation(6, 1, args[2]! * args[3]!, args[5]! * args[3]!),
  pad_planes: padding,
  im2col: fields,
  pack_fields: packedFields,
  finish_rows: finishedRows,
  depthwise2d: depthwise,
  maxpool2d: planes(14),
  avgpool2d: planes(15),
  f32_to_f16: half([4, 2]),
  f16_to_f32: half([2, 4]),
  quantize_rows: gridRows(0.5, { weights: 0, scales: 4, zeros: 5, codes: 8, bits: 6 }),
  dequantize_rows: gridRows(0.5, { codes: 0, scales: 4, zeros: 5, out: 7, bits: 6 }),
  fake_quantize_rows: gridRows(0.6, { weights: 0, scales: 4, zeros: 5, out: 8, bits: 6 }),
  fit_rows: gridRows(20, { weights: 0, scales: 9, zeros: 10, bits: 4 }),
  descend: descent,
  gate: elements(3, [0, 1, 2], 0.3),
  ...of(['softmax_gradient', 'log_softmax_gradient'], rows(3, 4, [0, 1, 2], 0.5)),
  norm_gradient: rows(4, 5, [0, 2, 3], 1),
  ...INTEGER_CUTS,
};

function of<N extends KernelName>(names: readonly N[], cut: Cutter) {
  return Object.fromEntries(names.map((name) => [name, cut])) as { [M in N]: typeof cut };
}
