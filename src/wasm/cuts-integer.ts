import type { KernelName } from './calls.ts';
import type { Cut, Cutter } from './cuts.ts';

/** Columns of a panel of codes, rows of a panel of bytes. */
const NR = 8;
const MR = 4;

/** Bytes of one column of panels of codes. */
function column(k: number, bits: number): number {
  return (16 * Math.ceil(k / 16) * bits) / 8;
}

/** Columns of C, or its rows where there are more of them. */
const qgemm: Cutter = (args, kernels) => {
  const [m, n, k] = args as [number, number, number];
  const [lda, each, bits, ldc, trans] = [args[4]!, args[7]!, args[9]!, args[12]!, args[13]!];
  const byRows = m > n;
  const moves: Cut['moves'] = byRows
    ? [
        [3, lda],
        [6, each ? 4 : 0],
        [11, trans ? 4 : 4 * ldc],
      ]
    : [
        [8, column(k, bits)],
        [10, 4],
        [11, trans ? 4 * ldc : 4],
      ];
  const work = 0.03 * k * (byRows ? n : m) + 1;
  return { count: byRows ? 0 : 1, unit: byRows ? MR : NR, work, moves, scratch: [14, kernels.qgemm_scratch()] };
};

/** Places. */
const qconv: Cutter = (args, kernels) => {
  const [lda, taps, bytes, n, factors] = [args[1]!, args[5]!, args[6]!, args[10]!, args[14]!];
  const k = taps * bytes;
  return {
    count: 3,
    unit: MR,
    work: 0.03 * k * n + 1,
    moves: [
      [0, lda],
      [2, 4],
      [19, factors ? 1 : 4],
    ],
    scratch: [21, kernels.qconv_scratch(k, n)],
  };
};

/** Columns of Y: panels, scales, zeros and y at those arguments. */
function codeColumns(
  at: readonly [number, number, number, number],
  bits: number,
  scratch: number,
  name: 'rows' | 'gemm',
) {
  const cutter: Cutter = (args, kernels) => {
    const [m, , k, group, per] = args as [number, number, number, number, number];
    const blocks = Math.ceil(Math.ceil(k / group) / per);
    return {
      count: 1,
      unit: NR,
      work: 0.06 * k * m + 1,
      moves: [
        [at[0], column(k, args[bits]!)],
        [at[1], 4 * blocks],
        [at[2], 4 * blocks],
        [at[3], 4],
      ],
      scratch: [scratch, name === 'rows' ? 32 : kernels.code_gemm_scratch()],
    };
  };
  return cutter;
}

/** Panels. */
const decode: Cutter = (args) => {
  const [k, bits, block] = [args[2]!, args[3]!, args[4]!];
  const blocks = Math.ceil(k / block);
  const work = 1.5 * k;
  return {
    count: 1,
    unit: 1,
    work,
    moves: [
      [0, 8 * column(k, bits)],
      [5, 32 * blocks],
      [6, 32 * blocks],
      [7, 32 * k],
    ],
  };
};

const requantize: Cutter = (args) => {
  const [cols, ldx, by, ldo] = [args[2]!, args[3]!, args[4]!, args[12]!];
  return {
    count: 1,
    unit: 1,
    work: 0.5 * cols + 1,
    moves: [
      [0, 4 * ldx],
      [5, by ? 4 : 0],
      [6, by ? 4 : 0],
      [11, ldo],
    ],
  };
};

const scaleSums: Cutter = (args) => ({
  count: 1,
  unit: 1,
  work: 0.4 * args[2]! + 1,
  moves: [
    [0, 4 * args[2]!],
    [6, 4 * args[2]!],
  ],
});

const addCodes: Cutter = () => ({
  count: 8,
  unit: 16,
  work: 0.6,
  moves: [
    [0, 1],
    [4, 1],
    [14, 1],
  ],
});

/** Kernels of integers that an engine with threads cuts by itself. */
export const INTEGER_CUTS: { readonly [N in KernelName]?: Cutter } = {
  qgemm,
  qconv,
  code_rows: codeColumns([10, 12, 13, 14], 11, 16, 'rows'),
  code_gemm: codeColumns([8, 10, 11, 12], 9, 14, 'gemm'),
  decode_panels: decode,
  requantize,
  scale_sums: scaleSums,
  add_codes: addCodes,
};
