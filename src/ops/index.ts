import * as arithmetic from './arithmetic.ts';
import { Cast, CastLike } from './cast.ts';
import { Constant, ConstantOfShape } from './constant.ts';
import { Conv } from './conv.ts';
import { ConvTranspose } from './conv-transpose.ts';
import * as gather from './gather.ts';
import * as gemm from './gemm.ts';
import * as linear from './linear.ts';
import * as logic from './logic.ts';
import { MICROSOFT } from './microsoft/index.ts';
import * as norm from './norm.ts';
import type { Op, OpVersion } from './op.ts';
import * as pad from './pad.ts';
import * as pool from './pool.ts';
import * as reduce from './reduce.ts';
import * as reshape from './reshape.ts';
import * as slice from './slice.ts';
import { operators } from './table.ts';
import { Transpose } from './transpose.ts';
import * as unary from './unary.ts';

/** Domain ('' is ai.onnx) to operator type to operator: everything Kappa runs. */
export const OPERATORS: ReadonlyMap<string, ReadonlyMap<string, Op>> = new Map([
  [
    '',
    operators(
      { Conv, ConvTranspose, Transpose, Cast, CastLike, Constant, ConstantOfShape },
      arithmetic,
      gather,
      gemm,
      linear,
      logic,
      norm,
      pad,
      pool,
      reduce,
      reshape,
      slice,
      unary,
    ),
  ],
  ['com.microsoft', MICROSOFT],
]);

/** The oldest and newest version of the default domain that Kappa reads. */
export const OPSETS = { oldest: 7, newest: 27 } as const;

/** The definition of an operator that serves a model at `opset`, or undefined where there is none. */
export function findOperator(domain: string, opType: string, opset: number): OpVersion | undefined {
  const op = OPERATORS.get(domain === 'ai.onnx' ? '' : domain)?.get(opType);
  let best: OpVersion | undefined;
  for (const v of op ?? []) if (v.since <= opset) best = v;
  return best;
}
