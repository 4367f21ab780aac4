import { UnsupportedError } from '../errors.ts';
import { backward } from '../gradient/backward.ts';
import type { Layer } from '../graph/layers.ts';
import type { Coded } from '../grid/index.ts';
import type { Model } from '../onnx/model.ts';
import { breath, type Progress } from '../progress.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { tunableInitializers } from './initializers.ts';
import { seedsOf } from './loss.ts';
import { Samples, type SampleSource, shuffled } from './samples.ts';
import { type TuneRates, TuneState } from './state.ts';

/** How often the held-out damage is measured, and the fewest steps between two times. */
const CHECKS = 12;
const FEWEST_STEPS = 5;
/**
 * Rates are divided by BACK_OFF where the damage rose MISSES times in a row without a new least one, or once to HARM times the least: a
 * little above it is the noise of the first, large rates.
 */
const BACK_OFF = 4;
const MISSES = 2;
const HARM = 1.25;

/** At the first step. */
export const TUNE_RATES: TuneRates = { positions: 0.02, scales: 0.004, vectors: 0.004 };

export interface TuneInput extends SampleSource {
  readonly model: Model;
  readonly layers: readonly Layer[];
  /** The weights in codes that tuning starts from, by name. Layers it does not name stay in float, and as they are. */
  readonly coded: ReadonlyMap<string, Coded>;
  /** Biases and norms that tuning starts from, by name; the model's own where they are not named. */
  readonly initializers?: ReadonlyMap<string, Tensor> | undefined;
  /** >= 1 */
  readonly steps: number;
  /** Of the order of batches. */
  readonly seed: number;
  readonly rates?: Partial<TuneRates> | undefined;
  readonly progress?: Progress | undefined;
}

/** Damage before and after, in the unit of the losses. */
export interface TuneReport {
  readonly steps: number;
  /** Steps behind what is returned; 0 where nothing did less damage on the held-out part. */
  readonly kept: number;
  /** Samples a step. */
  readonly batch: number;
  readonly tuning: { readonly samples: number; readonly before: number; readonly after: number };
  readonly heldOut: { readonly samples: number; readonly before: number; readonly after: number };
}

export interface Tuned {
  /** By weight name, as many as there were. */
  readonly coded: ReadonlyMap<string, Coded>;
  /** Replacements of biases and norms, by name. */
  readonly initializers: ReadonlyMap<string, Tensor>;
  readonly report: TuneReport;
}

/**
 * Distillation of a quantized model towards the original's own outputs, without labels (G. Hinton et al., arXiv 1503.02531): codes by
 * a straight-through estimator, scales, biases and norms by their gradients; Adam on shuffled batches, rates falling to 0.
 * Steps that did no good are taken back, and smaller ones follow.
 * Some samples are not tuned on: every so often the damage on them is measured, and what did the least is returned, which is
 * the start itself where nothing did less.
 * @throws UnsupportedError naming the node that gradients cannot pass; DataError for fewer than two batches; RangeError for `steps`
 */
export async function tune(wasm: Wasm, input: TuneInput): Promise<Tuned> {
  const { steps, progress } = input;
  if (!Number.isSafeInteger(steps) || steps < 1)
    throw new RangeError(`steps: expected a whole number >= 1, got ${steps}`);
  const rates = { ...TUNE_RATES, ...input.rates };
  const begin = (from: Pick<TuneInput, 'coded' | 'initializers'>) =>
    new TuneState(wasm, input.model, input.layers, from);
  let state = begin(input);
  let share = 1;
  let misses = 0;
  const samples = await Samples.of(input);
  let step = 0;
  const report = () => progress?.('tuning', step, steps);
  const onTuning = (weights: Tensors) => samples.damage(wasm, weights, 0, samples.tuning, report);
  const onHeldOut = (weights: Tensors) => samples.damage(wasm, weights, samples.tuning, samples.batches, report);
  const tensors = state.tensors();
  const before = { tuning: await onTuning(tensors), heldOut: await onHeldOut(tensors) };
  let best = { kept: 0, heldOut: before.heldOut, tensors, ...state.snapshot() };
  let last = best.heldOut;
  const order = shuffled(samples.tuning, input.seed);
  const every = Math.max(FEWEST_STEPS, Math.ceil(steps / CHECKS));
  const names = state.names;
  while (step < steps) {
    report();
    const weights = state.tensors();
    state.step(
      await gradients(wasm, input, samples, order.next().value, weights, names),
      fallen(rates, share, step / steps),
    );
    step++;
    if (step % every === 0 || step === steps) {
      const now = state.tensors();
      const heldOut = await onHeldOut(now);
      misses = heldOut < Math.max(best.heldOut, last) ? 0 : misses + 1;
      last = heldOut;
      if (heldOut < best.heldOut) best = { kept: step, heldOut, tensors: now, ...state.snapshot() };
      else if (misses >= MISSES || heldOut > HARM * best.heldOut) {
        state = begin(best);
        share /= BACK_OFF;
        misses = 0;
        last = best.heldOut;
      }
    }
    await breath();
  }
  const tuning = best.kept === 0 ? before.tuning : await onTuning(best.tensors);
  report();
  return {
    coded: best.coded,
    initializers: best.kept === 0 ? new Map() : best.initializers,
    report: {
      steps,
      kept: best.kept,
      batch: samples.size,
      tuning: { samples: samples.tuned, before: before.tuning, after: tuning },
      heldOut: { samples: samples.heldOut, before: before.heldOut, after: best.heldOut },
    },
  };
}

/**
 * Whether gradients reach what would be tuned, before anything else is done: one batch is run.
 * @throws as `tune` does
 */
export async function checkTunable(
  wasm: Wasm,
  input: Pick<TuneInput, 'model' | 'layers' | keyof SampleSource>,
): Promise<void> {
  const { model, layers } = input;
  const samples = await Samples.of(input);
  const names = [...layers.map((l) => l.weight), ...tunableInitializers(model, layers).map((t) => t.name)];
  await gradients(wasm, input, samples, 0, new Map(), new Set(names));
}

type Tensors = ReadonlyMap<string, Tensor>;

/** Gradients of the damage on one batch, by initializer. */
async function gradients(
  wasm: Wasm,
  { session, losses }: Pick<TuneInput, 'session' | 'losses'>,
  samples: Samples,
  batch: number,
  weights: Tensors,
  wanted: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Float32Array>> {
  const { feeds, reference } = await samples.at(batch);
  const trace = session.trace(feeds, weights);
  try {
    const found = (output: string) => session.value(trace, output);
    const seeds = seedsOf(
      wasm,
      losses,
      (output) => reference[output]!,
      found,
      (output) => samples.energy(output),
    );
    const done = backward(wasm, session, trace, seeds, () => {}, { wanted });
    if (done.ok) return done.gradients;
    throw new UnsupportedError(`tuning: ${done.obstacle}`);
  } finally {
    session.release(trace);
  }
}

/** Rates that fall from that share of them to nothing as `done` goes from 0 to 1, slowly at both ends. */
function fallen({ positions, scales, vectors }: TuneRates, share: number, done: number): TuneRates {
  const left = share * (1 - done) * (1 - done) * (1 + 2 * done);
  return { positions: positions * left, scales: scales * left, vectors: vectors * left };
}
