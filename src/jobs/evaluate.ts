import { chooseLosses, type LossName } from '../curvature/damage.ts';
import { batchesFor, checkDataset } from '../data/check.ts';
import type { Dataset } from '../data/dataset.ts';
import { DataError, ModelError } from '../errors.ts';
import { loadOperators } from '../graph/load.ts';
import { Session } from '../graph/session.ts';
import type { Model } from '../onnx/model.ts';
import { breath, cancellable, type Progress } from '../progress.ts';
import type { EvaluationReport } from '../report/types.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import { QuantizationValidator, type ValidationReport } from '../verify/validator.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { fittingBatch } from './fitting.ts';

/** What `evaluateModels` may be told. */
export interface EvaluateOptions {
  readonly loss?: LossName | undefined;
  /** Samples run at once. Default 32, or fewer where the kernels' memory has a limit that asks for it. */
  readonly batch?: number | undefined;
  /** Most samples to run. */
  readonly samples?: number | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The reference's output of every batch: filled by the first run, reused by later ones over the same data and batches. */
  readonly known?: Map<number, Tensor> | undefined;
}

/**
 * Runs a model on labelled data; against a reference model where there is one: KL, flips, relative error, confidence bounds.
 * @throws DataError, ModelError where data or reference do not fit the model
 */
export async function evaluateModels(
  wasm: Wasm,
  model: Model,
  reference: Model | null,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<EvaluationReport> {
  const progress = cancellable(options);
  await loadOperators(model);
  if (reference) await loadOperators(reference);
  const session = new Session(model, wasm);
  const other = reference && new Session(reference, wasm);
  try {
    checkDataset(dataset, session.inputs);
    if (other) checkDataset(dataset, other.inputs);
    const loss = chooseLosses(model, dataset.columns?.has('labels') ?? false, options.loss ?? 'auto')[0]!;
    if (other && !other.outputs.some((o) => o.name === loss.output))
      throw new ModelError(
        `reference: expected an output '${loss.output}', found ${other.outputs.map((o) => `'${o.name}'`).join(', ')}`,
      );
    const kind = loss.loss !== 'kl' ? 'values' : loss.probabilities ? 'probabilities' : 'scores';
    const validator = new QuantizationValidator({}, { kind });
    const wanted = options.batch ?? (await fittingBatch(wasm, other ? [session, other] : [session], dataset, 32));
    const { batch: size, samples: total } = batchesFor(dataset, session.inputs, wanted, options.samples);
    let done = 0;
    let index = 0;
    for await (const batch of dataset.batches(size, { limit: total })) {
      const own = session.run(batch.feeds)[loss.output]!;
      // Without a reference the model stands beside itself: its own accuracy and cross-entropy are what is asked for.
      const expected = options.known?.get(index) ?? (other ? other.run(batch.feeds)[loss.output]! : own);
      if (other) options.known?.set(index, expected);
      addBatch(validator, loss.output, own, expected, batch.count, kind === 'values' ? undefined : batch.labels);
      index++;
      done += batch.count;
      progress('evaluating', done, total);
      await breath();
    }
    return summarize(validator.report(), reference !== null);
  } finally {
    session.dispose();
    other?.dispose();
  }
}

function addBatch(
  validator: QuantizationValidator,
  output: string,
  own: Tensor,
  expected: Tensor,
  samples: number,
  labels: Tensor | undefined,
): void {
  if (own.dims.join() !== expected.dims.join())
    throw new DataError(`output ${output}: the model's is [${own.dims}], the reference's [${expected.dims}]`);
  const cols = Math.max(1, own.dims.at(-1) ?? 1);
  const rows = sizeOf(own.dims) / cols;
  validator.add({
    reference: expected.data as Float32Array,
    quantized: own.data as Float32Array,
    cols,
    rowsPerSample: rows % samples === 0 ? Math.max(1, rows / samples) : 1,
    ...(labels && { labels: labelsFor(labels, rows, cols) }),
  });
}

/** Labels as 32-bit integers, one a row. @throws DataError where there are not as many as rows, or one is no class */
function labelsFor(labels: Tensor, rows: number, classes: number): Int32Array {
  if (labels.data.length !== rows)
    throw new DataError(
      `labels [${labels.dims}]: expected ${rows}, one for each prediction, found ${labels.data.length}`,
    );
  return Int32Array.from(labels.data as unknown as ArrayLike<number | bigint>, (v) => {
    const label = Number(v);
    if (label >= classes) throw new DataError(`label ${label}: expected a class below ${classes}`);
    return label < 0 ? -1 : label;
  });
}

function summarize(report: ValidationReport, referenced: boolean): EvaluationReport {
  const value = (name: string) => report.figures.find((f) => f.name === name)?.value ?? null;
  return {
    samples: report.samples,
    predictions: report.predictions,
    accuracy: value('accuracy'),
    crossEntropy: value('crossEntropy'),
    reference: referenced
      ? {
          accuracy: value('referenceAccuracy'),
          crossEntropy: value('referenceCrossEntropy'),
          kl: value('kl'),
          klError: value('klError'),
          relativeSquaredError: value('relativeSquaredError') ?? 0,
          squaredErrorInterval: value('squaredErrorInterval'),
          maxError: value('maxError') ?? 0,
          flips: value('flips'),
          guarantees: report.figures
            .filter((f) => f.label === 'proved')
            .map(({ label, statement, value, samples }) => ({ label, statement, value, samples })),
        }
      : null,
  };
}
