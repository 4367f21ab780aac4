import * as math from '../math.ts';
import { batchesFor, checkDataset } from '../data/check.ts';
import type { Dataset } from '../data/dataset.ts';
import { ModelError } from '../errors.ts';
import { loadOperators } from '../graph/load.ts';
import { prepareModel } from '../graph/prepare.ts';
import { Session } from '../graph/session.ts';
import type { Model } from '../onnx/model.ts';
import { breath, type Progress } from '../progress.ts';
import type { CompareReport } from '../report/types.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { fittingBatch } from './fitting.ts';

/** What `compareModels` may be told. */
export interface CompareOptions {
  readonly batch?: number | undefined;
  readonly samples?: number | undefined;
  readonly progress?: Progress | undefined;
}

interface Sum {
  readonly opType: string;
  readonly dims: readonly number[];
  maxError: number;
  error: number;
  norm: number;
}

/**
 * Runs a model and its quantized form on the same data and measures the error of every float value that has the same name in
 * both. BatchNormalization is folded in both first, since a quantized model comes without it.
 * @throws DataError, ModelError where the data or the models do not fit each other
 */
export async function compareModels(
  wasm: Wasm,
  a: Model,
  b: Model,
  dataset: Dataset,
  options: CompareOptions = {},
): Promise<CompareReport> {
  const [left, right] = [prepareModel(a), prepareModel(b)];
  await loadOperators(left);
  await loadOperators(right);
  const first = new Session(left, wasm);
  const second = new Session(right, wasm);
  try {
    checkDataset(dataset, first.inputs);
    checkDataset(dataset, second.inputs);
    const names = new Set(right.graph.nodes.flatMap((n) => n.outputs));
    const mine = left.graph.nodes.flatMap((n) => n.outputs).filter((o) => o !== '');
    const outputs = first.outputs.map((o) => o.name);
    const missing = outputs.find((o) => !second.outputs.some((p) => p.name === o));
    if (missing !== undefined) throw new ModelError(`compare: the second model has no output '${missing}'`);
    const sums = new Map<string, Sum>();
    let samples = 0;
    const wanted = options.batch ?? (await fittingBatch(wasm, [first, second], dataset, 16));
    const { batch: size, samples: total } = batchesFor(dataset, first.inputs, wanted, options.samples);
    for await (const batch of dataset.batches(size, { limit: total })) {
      const values = new Map<string, { data: Float32Array; opType: string; dims: readonly number[] }>();
      first.run(batch.feeds, {
        observe: (node, _, made) =>
          node.outputs.forEach((name, i) => {
            const t = made[i];
            if (t?.dtype === 'float' && names.has(name))
              values.set(name, { data: (t.data as Float32Array).slice(), opType: node.opType, dims: t.dims });
          }),
      });
      second.run(batch.feeds, {
        observe: (node, _, made) =>
          node.outputs.forEach((name, i) => {
            const reference = values.get(name);
            if (reference && made[i]) add(sums, name, reference, made[i]!);
          }),
      });
      samples += batch.count;
      options.progress?.('comparing', samples, total);
      await breath();
    }
    const tensors = [...sums].map(([name, s]) => ({ name, opType: s.opType, dims: s.dims, ...figures(s) }));
    return {
      tensors,
      outputs: tensors
        .filter((t) => outputs.includes(t.name))
        .map(({ name, maxError, relativeSquaredError }) => ({ name, maxError, relativeSquaredError })),
      onlyInA: mine.filter((o) => !names.has(o)).length,
      onlyInB: [...names].filter((o) => o !== '' && !mine.includes(o)).length,
      samples,
    };
  } finally {
    first.dispose();
    second.dispose();
  }
}

function add(
  sums: Map<string, Sum>,
  name: string,
  reference: { data: Float32Array; opType: string; dims: readonly number[] },
  other: Tensor,
): void {
  if (other.dims.join() !== reference.dims.join() || other.dtype !== 'float') return;
  const { opType, dims } = reference;
  const sum = sums.get(name) ?? { opType, dims, maxError: 0, error: 0, norm: 0 };
  sums.set(name, sum);
  const x = reference.data;
  const y = other.data as Float32Array;
  for (let i = 0; i < x.length; i++) {
    const d = y[i]! - x[i]!;
    sum.error += d * d;
    sum.norm += x[i]! * x[i]!;
    if (!(Math.abs(d) <= sum.maxError)) sum.maxError = Number.isNaN(d) ? Number.MAX_VALUE : Math.abs(d);
  }
}

function figures({ maxError, error, norm }: Sum) {
  const ratio = error === 0 ? 0 : norm > 0 ? error / norm : Number.POSITIVE_INFINITY;
  // NaN counts as the worst there is.
  const relativeSquaredError = Number.isFinite(ratio) ? ratio : Number.MAX_VALUE;
  return {
    maxError: Math.min(maxError, Number.MAX_VALUE),
    relativeSquaredError,
    /** Signal to quantization noise in dB; null where the two are equal, or where there is no signal. */
    sqnr: ratio > 0 && Number.isFinite(ratio) ? -10 * math.log10(ratio) : null,
  };
}
