import * as activations from './activations.ts';
import * as arithmetic from './arithmetic.ts';
import * as bits from './bits.ts';
import { Cast, CastLike } from './cast.ts';
import { Clip } from './clip.ts';
import { Constant, ConstantOfShape } from './constant.ts';
import { Conv } from './conv.ts';
import { Dropout } from './dropout.ts';
import * as gather from './gather.ts';
import * as gemm from './gemm.ts';
import * as generate from './generate.ts';
import * as layerNorm from './layer-norm.ts';
import * as linear from './linear.ts';
import * as logic from './logic.ts';
import * as norm from './norm.ts';
import * as pad from './pad.ts';
import * as pool from './pool.ts';
import * as reduce from './reduce.ts';
import * as reshape from './reshape.ts';
import * as slice from './slice.ts';
import * as softmax from './softmax.ts';
import { operators, type Tables } from './table.ts';
import { Transpose } from './transpose.ts';
import * as trigonometry from './trigonometry.ts';
import * as unary from './unary.ts';

/** What most models of images, tables and text are made of, and the files written here by default: always there. */
export const COMMON: Tables = new Map([
  [
    '',
    operators(
      { Cast, CastLike, Clip, Constant, ConstantOfShape, Conv, Dropout, Transpose },
      activations,
      arithmetic,
      bits,
      gather,
      gemm,
      generate,
      layerNorm,
      linear,
      logic,
      norm,
      pad,
      pool,
      reduce,
      reshape,
      slice,
      softmax,
      trigonometry,
      unary,
    ),
  ],
]);
