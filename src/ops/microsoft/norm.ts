import { ModelError, UnsupportedError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { needDims, needRank } from '../attention-inputs.ts';
import { Add } from '../arithmetic.ts';
import { flag, float, int, since } from '../attributes.ts';
import { withHalf } from '../half.ts';
import { indicesOf } from '../indices.ts';
import type { NodeSpec, Op, Run, Runtime } from '../op.ts';
import { asFloat, axisOf, elements, need, needFloat, product } from '../shape.ts';
import { transpose } from '../transpose.ts';
import { apply } from '../unary.ts';
import { built, first } from './built.ts';

/** Normalizations fused with the additions before them. */

/** Mean and 1 / deviation of the rows; the mean taken as 0 for root mean square. */
function statistics(x: Tensor, cols: number, epsilon: number, rms: boolean, rt: Runtime): [Tensor, Tensor] {
  const dims = [...x.dims.slice(0, -1), 1];
  const mean = rt.empty('float', dims);
  const inverse = rt.empty('float', dims);
  const a = elements(x);
  for (let r = 0; r < mean.data.length; r++) {
    const row = a.subarray(r * cols, (r + 1) * cols);
    let sum = 0;
    for (const v of row) sum += v;
    const m = rms ? 0 : sum / cols;
    let squares = 0;
    for (const v of row) squares += (v - m) * (v - m);
    mean.data[r] = m;
    inverse.data[r] = 1 / Math.sqrt(squares / cols + epsilon);
  }
  return [mean, inverse];
}

/** Layer, or root mean square, normalization of the last axis. */
function normalized(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor | undefined,
  epsilon: number,
  rms: boolean,
  rt: Runtime,
): Tensor {
  const cols = x.dims[x.dims.length - 1] ?? 1;
  asFloat(needDims(gamma, [cols], 'gamma'), 'gamma');
  if (beta !== undefined) asFloat(needDims(beta, [cols], 'beta'), 'beta');
  const y = rt.empty('float', x.dims);
  if (y.data.length === 0) return y;
  const rows = y.data.length / cols;
  const k = rt.wasm.k;
  if (rms) k.rms_norm(rt.ptr(x), rt.ptr(gamma), rt.ptr(y), rows, cols, epsilon);
  else k.layer_norm(rt.ptr(x), rt.ptr(gamma), beta === undefined ? 0 : rt.ptr(beta), rt.ptr(y), rows, cols, epsilon);
  return y;
}

/** Norm of input + skip + bias; the mean, 1 / deviation and the sum itself on request. Skip may lack, or repeat, the batch axis. */
function skipNorm(rms: boolean): Op {
  return withHalf(
    since(1, (node) => {
      const epsilon = float(node, 'epsilon', Math.fround(1e-12));
      const add = built(Add, node);
      return (inputs, rt) => {
        const x = needFloat(inputs, 0, 'input');
        if (x.dims.length < 2) throw new ModelError(`input: expected rank 2 or 3, found [${x.dims}]`);
        const parameters = rms ? inputs.slice(2) : [inputs[2], inputs[3], inputs[4]];
        const [gamma, beta, bias] = rms
          ? [need(parameters, 0, 'gamma'), undefined, parameters[1]]
          : [need(parameters, 0, 'gamma'), parameters[1], parameters[2]];
        let sum = first(add, [x, needFloat(inputs, 1, 'skip')], rt);
        if (bias !== undefined) sum = first(add, [sum, needDims(bias, x.dims.slice(-1), 'bias')], rt);
        needDims(sum, x.dims, 'input + skip + bias');
        const y = normalized(sum, gamma, beta, epsilon, rms, rt);
        if (node.outputs < 2) return [y];
        return [y, ...statistics(sum, x.dims[x.dims.length - 1]!, epsilon, rms, rt), sum];
      };
    }),
  );
}

export const SkipLayerNormalization: Op = skipNorm(false);
export const SkipSimplifiedLayerNormalization: Op = skipNorm(true);

/** Root mean square normalization over the axes from `axis` on, scaled; 1 / root on request. */
export const SimplifiedLayerNormalization: Op = withHalf(
  since(1, (node) => {
    const axis = int(node, 'axis', -1);
    const epsilon = float(node, 'epsilon', Math.fround(1e-5));
    return (inputs, rt) => {
      const x = needFloat(inputs, 0, 'X');
      const scale = needFloat(inputs, 1, 'scale');
      const at = axisOf(axis, x.dims.length);
      const cols = product(x.dims, at);
      const rows = rt.view(x, [product(x.dims, 0, at), cols]);
      if (scale.data.length !== cols)
        throw new ModelError(`scale: expected shape [${x.dims.slice(at)}], found [${scale.dims}]`);
      const y = rt.view(normalized(rows, rt.view(scale, [cols]), undefined, epsilon, true, rt), x.dims);
      if (node.outputs < 2) return [y];
      const inverse = statistics(rows, cols, epsilon, true, rt)[1];
      return [
        y,
        rt.view(
          inverse,
          x.dims.map((d, i) => (i < at ? d : 1)),
        ),
      ];
    };
  }),
);

/**
 * BERT's embedding: rows of the word, position and, with segment ids, segment tables added up, then normalized. Also the number
 * of set elements of each row of the mask (0 without one), and the sum before normalization.
 */
export const EmbedLayerNormalization: Op = withHalf(
  since(1, (node) => {
    const epsilon = float(node, 'epsilon', Math.fround(1e-12));
    return (inputs, rt) => {
      const ids = needRank(need(inputs, 0, 'input_ids'), 2, 'input_ids');
      const [batch, length] = ids.dims as [number, number];
      const word = needRank(needFloat(inputs, 2, 'word_embedding'), 2, 'word_embedding');
      const hidden = word.dims[1]!;
      const sum = rt.empty('float', [batch, length, hidden]);
      const out = elements(sum);
      out.fill(0);
      const addRows = (t: Tensor, what: string, row: (i: number) => number) => {
        needRank(t, 2, what);
        if (t.dims[1] !== hidden) throw new ModelError(`${what}: expected rows of ${hidden}, found [${t.dims}]`);
        const table = elements(t);
        for (let i = 0; i < batch * length; i++)
          for (let j = 0, from = row(i) * hidden, to = i * hidden; j < hidden; j++) out[to + j]! += table[from + j]!;
      };
      const words = indicesOf(ids, word.dims[0]!);
      addRows(word, 'word_embedding', (i) => words[i]!);
      const position = needRank(needFloat(inputs, 3, 'position_embedding'), 2, 'position_embedding');
      const places = inputs[8] === undefined ? undefined : indicesOf(inputs[8], position.dims[0]!);
      if (
        places === undefined ? length > position.dims[0]! : places.length !== length && places.length !== batch * length
      )
        throw new ModelError(`position_embedding [${position.dims}]: ${length} positions expected for [${ids.dims}]`);
      addRows(position, 'position_embedding', (i) => places?.[i % places.length] ?? i % length);
      if (inputs[1] !== undefined) {
        const segment = needRank(needFloat(inputs, 4, 'segment_embedding'), 2, 'segment_embedding');
        const segments = indicesOf(needDims(inputs[1], ids.dims, 'segment_ids'), segment.dims[0]!);
        addRows(segment, 'segment_embedding', (i) => segments[i]!);
      }
      const y = normalized(sum, needFloat(inputs, 5, 'gamma'), needFloat(inputs, 6, 'beta'), epsilon, false, rt);
      const counts = rt.empty('int32', [batch]);
      if (inputs[7] !== undefined) {
        const mask = needDims(inputs[7], ids.dims, 'mask').data;
        for (let i = 0; i < mask.length; i++)
          if (mask[i]) counts.data[Math.floor(i / length)] = Number(counts.data[Math.floor(i / length)]) + 1;
      }
      return [y, counts, sum];
    };
  }),
);

/** Group normalization of [N, spatial..., C] (or, without `channels_last`, [N, C, spatial...]), SiLU on request. */
function groupNorm(node: NodeSpec): (x: Tensor, gamma: Tensor, beta: Tensor, rt: Runtime) => Tensor {
  const groups = int(node, 'groups');
  const epsilon = float(node, 'epsilon', Math.fround(1e-5));
  const last = flag(node, 'channels_last', true);
  const silu = int(node, 'activation', 0);
  if (silu !== 0 && silu !== 1) throw new UnsupportedError(`attribute "activation": expected 0 or 1, found ${silu}`);
  return (x, gamma, beta, rt) => {
    const rank = x.dims.length;
    if (rank < 3) throw new ModelError(`X: expected rank 3 or more, found [${x.dims}]`);
    const axes = [...x.dims.keys()];
    const toFront = [0, rank - 1, ...axes.slice(1, -1)];
    const toBack = [0, ...axes.slice(2), 1];
    const planes = last ? transpose(x, toFront, rt) : x;
    const [n, c] = planes.dims as [number, number];
    if (groups < 1 || c % groups !== 0) throw new ModelError(`X: ${c} channels do not divide into ${groups} groups`);
    needDims(gamma, [c], 'gamma');
    needDims(beta, [c], 'beta');
    const y = rt.empty('float', planes.dims);
    const spatial = product(planes.dims, 2);
    if (y.data.length > 0) {
      const k = rt.wasm.k;
      const py = rt.ptr(y);
      k.layer_norm(rt.ptr(planes), 0, 0, py, n * groups, (c / groups) * spatial, epsilon);
      k.channel_affine(py, rt.ptr(gamma), rt.ptr(beta), py, n, c, spatial);
      if (silu === 1) k.mul(py, rt.ptr(apply('sigmoid', y, rt)), py, y.data.length);
    }
    return last ? transpose(y, toBack, rt) : y;
  };
}

export const GroupNorm: Op = withHalf(
  since(1, (node): Run => {
    const norm = groupNorm(node);
    return (inputs, rt) => [
      norm(needFloat(inputs, 0, 'X'), needFloat(inputs, 1, 'gamma'), needFloat(inputs, 2, 'beta'), rt),
    ];
  }),
);

/** GroupNorm of X + skip + bias, skip [N, C] or [N, 1, 1, C] among others; the sum on request. Channels last. */
export const SkipGroupNorm: Op = withHalf(
  since(1, (node): Run => {
    const norm = groupNorm(node);
    const add = built(Add, node);
    return (inputs, rt) => {
      const x = needFloat(inputs, 0, 'X');
      const given = needFloat(inputs, 3, 'skip');
      const [n, c] = [x.dims[0]!, x.dims[x.dims.length - 1]!];
      const flat = given.dims.length === 2 && x.dims.length > 2;
      const skip = flat ? rt.view(given, [n, ...new Array<number>(x.dims.length - 2).fill(1), c]) : given;
      let sum = first(add, [x, skip], rt);
      if (inputs[4] !== undefined) sum = first(add, [sum, needDims(needFloat(inputs, 4, 'bias'), [c], 'bias')], rt);
      needDims(sum, x.dims, 'X + skip + bias');
      return [norm(sum, needFloat(inputs, 1, 'gamma'), needFloat(inputs, 2, 'beta'), rt), sum];
    };
  }),
);
