import { chooseLosses, type LossName } from '../curvature/damage.ts';
import { checkDataset } from '../data/check.ts';
import type { Dataset } from '../data/dataset.ts';
import { ModelError } from '../errors.ts';
import { Session } from '../graph/session.ts';
import type { Model } from '../onnx/model.ts';
import type { Progress } from '../progress.ts';
import type { EvaluationReport, Guarantee } from '../report/types.ts';
import { clopperPearson, empiricalBernstein } from '../verify/certificates.ts';
import { type Observed, observe } from '../verify/evaluate.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

export interface EvaluateOptions {
  readonly loss?: LossName | undefined;
  readonly batch?: number | undefined;
  /** Most samples to run. */
  readonly samples?: number | undefined;
  readonly progress?: Progress | undefined;
  /** Outputs of the reference, kept between runs over the same data in the same batches. */
  readonly known?: Map<number, Tensor> | undefined;
}

/** Chance that a bound on held-out data is wrong. */
const CONFIDENCE = 0.95;
/** KL is cut here, in nats a prediction, before it is bounded: fixed before any data is seen. */
const KL_CAP = 1;

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
  const session = new Session(model, wasm);
  const other = reference && new Session(reference, wasm);
  try {
    checkDataset(dataset, session.inputs);
    if (other) checkDataset(dataset, other.inputs);
    const losses = chooseLosses(model, dataset.columns?.has('labels') ?? false, options.loss ?? 'auto');
    const loss = losses[0]!;
    if (other && !other.outputs.some((o) => o.name === loss.output))
      throw new ModelError(
        `reference: expected an output '${loss.output}', found ${other.outputs.map((o) => `'${o.name}'`).join(', ')}`,
      );
    const observed = await observe(wasm, session, other, dataset, loss, {
      batch: options.batch ?? 32,
      samples: options.samples,
      known: options.known,
      progress: (done, total) => options.progress?.('evaluating', done, total),
    });
    return summarize(observed, loss.loss === 'kl');
  } finally {
    session.dispose();
    other?.dispose();
  }
}

function summarize(o: Observed, distribution: boolean): EvaluationReport {
  const share = (n: number) => (o.labelled > 0 ? n / o.labelled : null);
  const r = o.reference;
  const mean = (v: readonly number[]) => (v.length === 0 ? null : v.reduce((a, b) => a + b, 0) / v.length);
  return {
    samples: o.samples,
    predictions: o.predictions,
    accuracy: share(o.right),
    crossEntropy: share(o.nll),
    reference: r && {
      accuracy: share(r.right),
      crossEntropy: share(r.nll),
      kl: distribution ? mean(r.kl) : null,
      relativeSquaredError: r.squaredNorm > 0 ? r.squaredError / r.squaredNorm : 0,
      maxError: r.maxError,
      flips: distribution ? mean(r.flips) : null,
      guarantees: distribution ? guarantees(o, r) : [],
    },
  };
}

/** Samples, not predictions, are independent: a sequence counts once. */
function guarantees(o: Observed, r: NonNullable<Observed['reference']>): Guarantee[] {
  const samples = o.samples;
  const flipped = r.flips.filter((f) => f > 0).length;
  const percent = `${Math.round(100 * CONFIDENCE)} %`;
  const each = o.predictions > o.samples ? 'a sample (a sequence counts once)' : 'a sample';
  return [
    {
      label: 'proved',
      statement: `with ${percent} confidence, the chance that the top choice changes anywhere in ${each} of the same kind is at most this (Clopper-Pearson, held-out data)`,
      value: clopperPearson(flipped, samples, CONFIDENCE).upper,
      samples,
    },
    {
      label: 'proved',
      statement: `with ${percent} confidence, the expected min(KL, ${KL_CAP}) of ${each} of the same kind is at most this (empirical Bernstein, held-out data)`,
      value: empiricalBernstein(
        r.kl.map((v) => Math.max(0, v)),
        KL_CAP,
        CONFIDENCE,
      ).upper,
      samples,
    },
    {
      label: 'proved',
      statement: 'share of these predictions whose top choice is certified unchanged by its margin',
      value: r.certified / Math.max(1, o.predictions),
      samples,
    },
    {
      label: 'proved',
      statement: 'largest KL that any of these predictions can have by its score differences, (max d - min d)^2 / 8',
      value: r.klBound,
      samples,
    },
  ];
}
