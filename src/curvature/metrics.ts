import type { Choice, CostLayer, CostTable } from '../allocate/types.ts';
import type { Layer } from '../graph/layers.ts';
import { gramError } from '../grid/grid.ts';
import { turn } from '../progress.ts';
import type { Tensor } from '../tensor.ts';
import { DAMAGE_CAP, DamageMeter } from './damage.ts';
import { dataFor, type MetricContext, type MetricData, registerMetric } from './metric.ts';
import { gaussianNoise } from './noise.ts';

/** The narrowest width and the widest up to this one are measured by forward passes; all others follow the layer's Gram error. */
const MEASURED_UP_TO = 4;

/** Noisy weights a layer's gain is averaged over. */
const NOISE_DRAWS = 4;

/**
 * `spectral`: the seed document's sigma_max(W) 2^-b. A proxy: only its order means something.
 */
registerMetric({
  name: 'spectral',
  needsData: false,
  async measure(context) {
    return table(context, 'spectral', 'proxy', (layer) => {
      const kappa = context.spectra.get(layer.weight)?.sigmaMax ?? 0;
      return (bits) => ({ damage: kappa / 2 ** bits, measured: false });
    });
  },
});

/**
 * `gram`: tr(dW E[x x'] dW'), the squared error the quantized weight makes at the layer's output, times the layer's gain: the
 * damage at the network's output per unit of that error, measured by forward passes with Gaussian noise of the size of the
 * 4-bit error in the weight (seeded), and averaged: where the inputs have a large mean, what one draw does to the output is one
 * direction's doing.
 */
registerMetric({
  name: 'gram',
  needsData: true,
  async measure(context) {
    const data = dataFor('gram', context);
    const weights = context.layers.map((layer) =>
      Array.from({ length: NOISE_DRAWS }, (_, draw) => noisy(context, layer, context.seed + draw)),
    );
    const damages = await measureAlone(context, data, weights);
    return table(context, 'gram', unitOf(data), (layer, i) => {
      const errors = weights[i]!.map((noise) => localError(context, data, layer, noise.rows()));
      const gains = errors.map((error, draw) => (error > 0 ? damages[i]![draw]! / error : 0));
      const gain = gains.reduce((a, b) => a + b, 0) / NOISE_DRAWS;
      return (bits) => ({
        damage: gain * localError(context, data, layer, context.candidates.values(layer, bits)),
        measured: false,
      });
    });
  },
});

/**
 * `kl`: the loss curvature itself, evaluated: each layer alone is quantized and the damage at the network's output measured by
 * running the calibration data, re-run from that layer on. Measured at the narrowest width and the widest up to 4 bits; at others
 * it is the layer's own Gram error times its gain, damage / error: of the widest measured width for wider ones, where damage is
 * within rounding of quadratic in the error, and in between the geometric mean of both, which is as near to what would be
 * measured as two measurements are to each other.
 */
registerMetric({
  name: 'kl',
  needsData: true,
  async measure(context) {
    const data = dataFor('kl', context);
    const widths = [...context.widths].sort((a, b) => a - b);
    const narrowest = widths[0]!;
    const measured = [...new Set([narrowest, widths.filter((b) => b <= MEASURED_UP_TO).at(-1) ?? narrowest])];
    const weights = context.layers.map((layer) =>
      measured.map((bits) => ({ make: () => context.candidates.tensor(layer, bits) })),
    );
    const damages = await measureAlone(context, data, weights);
    return table(context, 'kl', unitOf(data), (layer, i) => {
      const errorAt = (bits: number) => localError(context, data, layer, context.candidates.values(layer, bits));
      const gains = measured.map((bits, j) => {
        const error = errorAt(bits);
        return error > 0 ? damages[i]![j]! / error : 0;
      });
      const wide = gains.at(-1)!;
      const between = gains.every((g) => g > 0) ? Math.sqrt(gains[0]! * wide) : Math.max(...gains);
      return (bits) => {
        const at = measured.indexOf(bits);
        if (at >= 0) return { damage: damages[i]![at]!, measured: true };
        return { damage: (bits > measured.at(-1)! ? wide : between) * errorAt(bits), measured: false };
      };
    });
  },
});

interface Variant {
  make(): Tensor;
}

/**
 * Damage of every variant of every layer, all other layers untouched: result[layer][variant].
 * The samples are cut into batches; each batch is run once with all values kept, then once from each layer on.
 */
async function measureAlone(
  context: MetricContext,
  data: MetricData,
  variants: readonly (readonly Variant[])[],
): Promise<number[][]> {
  const { session, wasm, layers, progress } = context;
  const meters = variants.map((of) => of.map(() => new DamageMeter(wasm, data.losses)));
  const each = variants.reduce((n, of) => n + of.length, 0);
  const passes = each * Math.ceil(data.samples / data.batch);
  const skipped = takeUp(context, meters);
  let batches = 0;
  let done = 0;
  for await (const batch of data.dataset.batches(data.batch, { limit: data.samples })) {
    if (batches++ < skipped) {
      done += each;
      progress('measuring layers', done, passes);
      continue;
    }
    const trace = session.trace(batch.feeds);
    try {
      const reference = session.rerun(trace, new Map());
      for (const [i, layer] of layers.entries()) {
        for (const [j, variant] of variants[i]!.entries()) {
          const outputs = session.rerun(trace, new Map([[layer.weight, variant.make()]]));
          meters[i]![j]!.add(reference, outputs);
          progress('measuring layers', ++done, passes);
        }
        await turn();
      }
    } finally {
      session.release(trace);
    }
    await context.checkpoint?.save({ batches, sums: meters.map((of) => of.map((m) => m.state())) });
  }
  return meters.map((of) => of.map((m) => m.read()));
}

/** Brings meters to where an earlier run left them. @returns the number of batches that are in them: 0 where what is left fits not */
function takeUp({ checkpoint }: MetricContext, meters: readonly (readonly DamageMeter[])[]): number {
  const start = checkpoint?.start;
  if (!start) return 0;
  const fits =
    start.sums.length === meters.length &&
    meters.every(
      (of, i) =>
        start.sums[i]!.length === of.length && of.every((m, j) => start.sums[i]![j]!.length === m.state().length),
    );
  if (!fits) return 0;
  for (const [i, of] of meters.entries()) for (const [j, meter] of of.entries()) meter.restore(start.sums[i]![j]!);
  return start.batches;
}

/** Mean squared error at the layer's output that a quantized weight (row form) makes on the calibration data. */
export function localError(context: MetricContext, data: MetricData, layer: Layer, rows: Float32Array): number {
  const float = context.candidates.float(layer);
  const found = data.calibration.layers.get(layer.weight);
  if (found?.gram) return gramError(context.wasm, float, rows, layer.rows, layer.cols, found.gram, layer.groups);
  let total = 0;
  for (let r = 0; r < layer.rows; r++) {
    let square = 0;
    for (let i = r * layer.cols; i < (r + 1) * layer.cols; i++) square += squared(rows[i]! - float[i]!);
    total += square * (found?.rowWeights ? found.rowWeights[r]! : 1);
  }
  return total;
}

function noisy(context: MetricContext, layer: Layer, seed: number): Variant & { rows: () => Float32Array } {
  const float = context.candidates.float(layer);
  const four = context.candidates.values(layer, context.widths.includes(4) ? 4 : context.widths[0]!);
  let square = 0;
  for (let i = 0; i < float.length; i++) square += squared(float[i]! - four[i]!);
  const deviation = Math.sqrt(square / float.length);
  const rows = () => gaussianNoise(float, deviation, seed);
  return { rows, make: () => context.candidates.shaped(layer, rows()) };
}

function unitOf(data: MetricData): CostTable['unit'] {
  return data.losses.every((l) => l.loss === 'kl') ? 'kl' : 'nse';
}

type Price = (bits: number) => Pick<Choice, 'damage' | 'measured'>;

async function table(
  context: MetricContext,
  metric: string,
  unit: CostTable['unit'],
  priceOf: (layer: Layer, index: number) => Price,
): Promise<CostTable> {
  const widths = [...context.widths].sort((a, b) => a - b);
  const layers: CostLayer[] = [];
  for (const [i, layer] of context.layers.entries()) {
    const price = priceOf(layer, i);
    const choices: Choice[] = [];
    for (const bits of widths) {
      context.progress('pricing widths', i * widths.length + choices.length, context.layers.length * widths.length);
      await turn();
      const { damage, measured } = price(bits);
      choices.push({
        bits,
        damage: Number.isNaN(damage) ? DAMAGE_CAP : Math.min(DAMAGE_CAP, Math.max(0, damage)),
        bytes: context.candidates.bytes(layer, bits),
        measured,
      });
    }
    layers.push({ name: layer.name, weight: layer.weight, opType: layer.opType, params: layer.params, choices });
  }
  return { version: 1, metric, unit, samples: context.data?.samples ?? 0, layers };
}

/** A product: engines may round powers otherwise. */
function squared(x: number): number {
  return x * x;
}
