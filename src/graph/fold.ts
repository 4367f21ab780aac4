import { makeInitializer, withGraph, withNode } from '../onnx/index.ts';
import type { Initializer, Model, Node } from '../onnx/model.ts';
import { sizeOf, type Tensor, tensor } from '../tensor.ts';
import { freshNames, withInitializers, withoutUnused } from './edit.ts';
import { constantNames, type Uses, usesOf } from './uses.ts';

/** What folding one pair needs. */
interface Fold {
  readonly conv: Node;
  readonly batch: Node;
  readonly weight: Initializer;
  readonly bias: Initializer | undefined;
  /** scale, B, mean, var */
  readonly parameters: readonly [Tensor, Tensor, Tensor, Tensor];
}

/**
 * Conv followed by BatchNormalization becomes Conv with another weight and a bias (computed in f64, rounded to float once):
 *   w' = w s, b' = (b - mean) s + B, s = scale / sqrt(var + epsilon), per output channel.
 * Only where nothing else reads the Conv's output and all parameters are constants. A weight that is the Conv's alone keeps
 * its name. Nodes not touched keep their bytes.
 */
export function foldBatchNormalization(model: Model): Model {
  const uses = usesOf(model.graph);
  const constants = constantNames(model);
  const initializers = new Map(model.graph.initializers.filter((i) => constants.has(i.name)).map((i) => [i.name, i]));
  const folds = new Map<Node, Fold>();
  for (const conv of model.graph.nodes) {
    const fold = foldOf(conv, uses, initializers, model.opsets.get('') ?? 1);
    if (fold !== undefined) folds.set(conv, fold);
  }
  if (folds.size === 0) return model;
  const fresh = freshNames(model);
  const made: Initializer[] = [];
  const replaced = new Map<Node, Node | undefined>();
  const candidates = new Set<string>();
  for (const fold of folds.values()) {
    const { conv, batch } = fold;
    const { weight, bias } = folded(fold);
    const alone = (i: Initializer | undefined) =>
      i !== undefined && uses.readers.get(i.name)?.length === 1 && !uses.outputs.has(i.name);
    const base = fold.weight.name.replace(/\.weight$/, '');
    const weightName = alone(fold.weight) ? fold.weight.name : fresh(`${base}.folded.weight`);
    const biasName = alone(fold.bias) ? fold.bias!.name : fresh(`${base}.bias`);
    made.push(makeInitializer(weightName, weight), makeInitializer(biasName, bias));
    replaced.set(
      conv,
      withNode(conv, { inputs: [conv.inputs[0]!, weightName, biasName], outputs: [batch.outputs[0]!] }),
    );
    replaced.set(batch, undefined);
    for (const v of [...conv.inputs.slice(1), ...batch.inputs.slice(1)]) candidates.add(v);
  }
  for (const v of [...candidates]) for (const n of through(v, uses)) candidates.add(n);
  const nodes = model.graph.nodes.flatMap((n) => (replaced.has(n) ? (replaced.get(n) ?? []) : n));
  return withoutUnused(withInitializers(withGraph(model, { nodes }), made), candidates);
}

/** The values a value is a copy of, through Identity nodes. */
function through(value: string, uses: Uses): string[] {
  const out: string[] = [];
  for (let v = value, n = uses.maker.get(v); n?.opType === 'Identity' && n.domain === ''; n = uses.maker.get(v)) {
    v = n.inputs[0]!;
    if (out.includes(v)) break;
    out.push(v);
  }
  return out;
}

function foldOf(
  conv: Node,
  uses: Uses,
  initializers: ReadonlyMap<string, Initializer>,
  opset: number,
): Fold | undefined {
  if (conv.opType !== 'Conv' || conv.domain !== '') return undefined;
  const readers = uses.readers.get(conv.outputs[0]!);
  const batch = readers?.[0];
  if (readers?.length !== 1 || batch?.opType !== 'BatchNormalization' || batch.domain !== '') return undefined;
  if (uses.outputs.has(conv.outputs[0]!) || batch.inputs[0] !== conv.outputs[0]) return undefined;
  if (batch.inputs.slice(1).includes(conv.outputs[0]!)) return undefined;
  if (batch.outputs.slice(1).some((o) => o !== '') || Number(batch.attributes.get('training_mode')?.value ?? 0) !== 0)
    return undefined;
  if (opset < 9 && Number(batch.attributes.get('spatial')?.value ?? 1) === 0) return undefined;
  const constant = (v: string | undefined) => {
    if (v === undefined || v === '') return undefined;
    const i = initializers.get(through(v, uses).at(-1) ?? v);
    return i?.dataType === 1 ? i : undefined;
  };
  const weight = constant(conv.inputs[1]);
  const bias = constant(conv.inputs[2]);
  if (weight === undefined || weight.dims.length < 3 || (conv.inputs[2] && bias === undefined)) return undefined;
  const all = [1, 2, 3, 4].map((i) => constant(batch.inputs[i]));
  const channels = weight.dims[0]!;
  if ([...all, ...(bias ? [bias] : [])].some((i) => i === undefined || sizeOf(i.dims) !== channels)) return undefined;
  const parameters = all.map((i) => i!.tensor()) as [Tensor, Tensor, Tensor, Tensor];
  return { conv, batch, weight, bias, parameters };
}

function folded({ batch, weight, bias, parameters }: Fold): { weight: Tensor; bias: Tensor } {
  const epsilon = Number(batch.attributes.get('epsilon')?.value ?? 1e-5);
  const [scale, shift, mean, variance] = parameters;
  const w = weight.tensor();
  const b = bias?.tensor();
  const channels = w.dims[0]!;
  const size = w.data.length / channels;
  const outW = new Float32Array(w.data.length);
  const outB = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    const s = Number(scale.data[c]) / Math.sqrt(Number(variance.data[c]) + epsilon);
    for (let i = c * size; i < (c + 1) * size; i++) outW[i] = Number(w.data[i]) * s;
    outB[c] = (Number(b?.data[c] ?? 0) - Number(mean.data[c])) * s + Number(shift.data[c]);
  }
  return { weight: tensor('float', w.dims, outW), bias: tensor('float', [channels], outB) };
}
