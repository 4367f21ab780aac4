import type { Choice, CostLayer, CostTable } from '../allocate/types.ts';
import { UnsupportedError } from '../errors.ts';
import { backward, type Visit } from '../gradient/backward.ts';
import type { Call } from '../gradient/gradient.ts';
import type { Layer } from '../graph/layers.ts';
import type { Trace } from '../graph/session.ts';
import type { Tensor } from '../tensor.ts';
import { DAMAGE_CAP } from './damage.ts';
import { LayerGains } from './gains.ts';
import { averages, LeftOut, tailOf } from './left-out.ts';
import { dataFor, type MetricContext, type MetricData, metricNamed, registerMetric } from './metric.ts';
import './metrics.ts';
import { type Draw, Projections } from './projection.ts';
import { leftOutErrorRows, localErrorRows } from './rows.ts';
import { breath } from '../progress.ts';

/** The width whose error sets each layer's level, where it is among the widths; the narrowest otherwise. */
const REFERENCE_WIDTH = 4;

/**
 * Gradients are taken over as many samples as calibration saw, up to this many times those of a measurement by forward passes: one
 * pass serves all layers and widths, and where a network is sure of most samples few of them say anything.
 */
const SAMPLES_FACTOR = 8;

/** A model that cannot be differentiated. */
export class NoGradientError extends UnsupportedError {}

/**
 * How much each row (output channel) of every layer counts: the damage at the network's output, in the unit of its losses, is
 * predicted to be the sum over rows of gain times the row's local error (`localErrorRows`). By backward passes of random projections of
 * the outputs over the calibration data, one a sample for all layers and rows at once: a row's gain is E[(d projection / d y_row)^2],
 * places weighted by the error that is made there, and each layer's gains are scaled so that the error of one width counts exactly what the projections say, places and rows
 * taken together (a Gauss-Newton, that is Fisher, quadratic form: J. Martens, arXiv 1412.1193).
 *
 * Rows of layers that may leave some out (`Candidates.omits`) have a second gain, of the error of being left out
 * (`leftOutErrorRows`), so that their product is the damage that `LeftOut` says.
 * @returns weight name to one gain a row, >= 0, then, where there are any, the second gains of all rows
 * @throws NoGradientError naming the first node that gradients cannot pass
 */
export async function rowGains(context: MetricContext, data: MetricData): Promise<ReadonlyMap<string, Float64Array>> {
  const left = new LeftOutGains(context);
  const gains = await gainsOf(context, data, 'signs', left);
  return new Map([...gains].map(([weight, of]) => [weight, left.joined(weight, of, data)]));
}

/** The second gains of rows, as a pass over the data finds them. */
class LeftOutGains {
  readonly #layers: readonly Layer[];
  /** By the value at which a layer's rows are looked at. */
  #found: Map<string, { readonly layer: Layer; readonly sums: LeftOut }> | undefined;
  #samples = 0;

  constructor(private readonly context: MetricContext) {
    this.#layers = context.layers.filter((l) => context.candidates.omits(l));
  }

  begin(feeds: Readonly<Record<string, Tensor>>, trace: Trace, count: number): void {
    this.#samples += count;
    if (this.#found || this.#layers.length === 0) return;
    const { session, wasm } = this.context;
    const tails = new Map(this.#layers.map((l) => [l, tailOf(session, trace, l)]));
    const averaged = averages(this.context, feeds, tails);
    this.#found = new Map(
      [...averaged].map(([layer, constants]) => [
        tails.get(layer)!,
        { layer, sums: new LeftOut(wasm, layer, constants) },
      ]),
    );
  }

  visit(call: Call, count: number): void {
    this.#found?.get(call.node.outputs[0]!)?.sums.visit(call, count);
  }

  joined(weight: string, gains: Float64Array, data: MetricData): Float64Array {
    const found = [...(this.#found?.values() ?? [])].find((f) => f.layer.weight === weight);
    if (!found) return gains;
    const damages = found.sums.read(this.#samples);
    const errors = leftOutErrorRows(this.context, data, found.layer);
    return Float64Array.from([...gains, ...damages.map((d, r) => (errors[r]! > 0 ? d / errors[r]! : 0))]);
  }
}

async function gainsOf(
  context: MetricContext,
  data: MetricData,
  draw: Draw,
  left?: LeftOutGains,
): Promise<Map<string, Float64Array>> {
  const { wasm, session, layers, candidates, progress } = context;
  const { calibration, dataset, batch } = data;
  for (const layer of layers) checkLinear(layer);
  const byOutput = new Map(layers.flatMap((l) => l.nodes.map((n) => [n.outputs[0]!, l] as const)));
  const wanted = new Set(byOutput.keys());
  const projections = new Projections(wasm, data.losses, (o) => meanSquare(data, o), draw, context.seed);
  const sums = new Map<Layer, LayerGains>();
  const limit = samplesFor(data);
  let samples = 0;
  try {
    for (const layer of layers) {
      const float = candidates.float(layer);
      const error = referenceOf(context, layer).map((v, i) => v - float[i]!);
      sums.set(layer, new LayerGains(wasm, layer, candidates.shaped(layer, error)));
    }
    for await (const { feeds, count } of dataset.batches(batch, { limit })) {
      const trace = session.trace(feeds);
      try {
        const seeds = projections.draw((output) => session.value(trace, output), count);
        left?.begin(feeds, trace, count);
        const visit: Visit = (call) => {
          left?.visit(call, count);
          const layer = byOutput.get(call.node.outputs[0]!);
          if (layer !== undefined) sums.get(layer)!.visit(call, count);
        };
        const done = backward(wasm, session, trace, seeds, visit, { wanted });
        if (!done.ok) throw new NoGradientError(done.obstacle);
      } finally {
        session.release(trace);
      }
      for (const sum of sums.values()) sum.endBatch();
      samples += count;
      progress('gradients', samples, limit);
      await breath();
    }
    return new Map(
      layers.map((layer) => {
        const errors = localErrorRows(context, data, layer, referenceOf(context, layer));
        const found = calibration.layers.get(layer.weight);
        return [layer.weight, sums.get(layer)!.read(samples, errors, found, inputSquare(data, layer))];
      }),
    );
  } finally {
    for (const sum of sums.values()) sum.dispose();
  }
}

/** The layer at the reference width, row form; all zeros where that is what it was. */
function referenceOf({ candidates, widths }: MetricContext, layer: Layer): Float32Array {
  const float = candidates.float(layer);
  const values = candidates.values(layer, widths.includes(REFERENCE_WIDTH) ? REFERENCE_WIDTH : Math.min(...widths));
  return values.every((v, i) => v === float[i]) ? new Float32Array(float.length) : values;
}

function samplesFor({ dataset, calibration, samples }: MetricData): number {
  return Math.min(dataset.count, Math.max(samples, Math.min(calibration.samples, SAMPLES_FACTOR * samples)));
}

const LINEAR = ['Gemm', 'MatMul', 'Conv', 'ConvTranspose', 'Gather'];

/** @throws NoGradientError for a weight that some node uses in another way than as the matrix, or table, of a linear map */
function checkLinear(layer: Layer): void {
  for (const { opType, inputs } of layer.nodes)
    if (!LINEAR.includes(opType) || inputs[opType === 'Gather' ? 0 : 1] !== layer.weight)
      throw new NoGradientError(`layer ${layer.name}: the rows of a weight of ${opType} have no gains`);
  const { dtype, lead, opType, rowAxis } = layer;
  if (dtype !== 'float') throw new NoGradientError(`layer ${layer.name}: the rows of a ${dtype} weight have no gains`);
  if ((lead > 0 && opType !== 'ConvTranspose') || (opType === 'Gather' && rowAxis !== 0))
    throw new NoGradientError(
      `layer ${layer.name}: rows over several axes, or not over the first of a table, have no gains`,
    );
}

function meanSquare(data: MetricData, value: string): number {
  const s = data.calibration.values.get(value);
  return s === undefined ? 0 : s.variance + s.mean * s.mean;
}

/** E[x^2] of what one element of a layer's output sums; a transposed convolution's places meet one in every stride's inputs. */
function inputSquare(data: MetricData, layer: Layer): number {
  const strides = layer.opType === 'ConvTranspose' ? layer.nodes[0]!.attributes.get('strides') : undefined;
  const apart = strides?.type === 'ints' ? strides.value.reduce((a, b) => a * b, 1) : 1;
  return meanSquare(data, layer.input) / apart;
}

const METRICS: readonly { readonly name: string; readonly draw: Draw }[] = [
  { name: 'jac', draw: 'signs' },
  { name: 'fisher', draw: 'labels' },
];

/**
 * `jac`: the sum over a layer's rows of gain times local error, the gains from random projections (`rowGains`). `fisher`: the same
 * with labels drawn from the model's own output, whose gains are noisy where the model is sure. Where gradients cannot pass a
 * node the table is that of `kl`, and its metric says so.
 */
for (const { name, draw } of METRICS)
  registerMetric({
    name,
    needsData: true,
    async measure(context) {
      const data = dataFor(name, context);
      try {
        return tableOf(name, context, data, await gainsOf(context, data, draw));
      } catch (error) {
        if (!(error instanceof NoGradientError)) throw error;
        const table = await metricNamed('kl').measure(context);
        return { ...table, metric: `kl (no ${name}: ${error.message})` };
      }
    },
  });

function tableOf(
  metric: string,
  context: MetricContext,
  data: MetricData,
  gains: ReadonlyMap<string, Float64Array>,
): CostTable {
  const { candidates } = context;
  const widths = [...context.widths].sort((a, b) => a - b);
  const layers = context.layers.map((layer): CostLayer => {
    const gain = gains.get(layer.weight)!;
    const choices = widths.map((bits): Choice => {
      const errors = localErrorRows(context, data, layer, candidates.values(layer, bits));
      let damage = 0;
      for (let r = 0; r < layer.rows; r++) damage += gain[r]! * errors[r]!;
      return {
        bits,
        damage: Number.isNaN(damage) ? DAMAGE_CAP : Math.min(DAMAGE_CAP, damage),
        bytes: candidates.bytes(layer, bits),
        measured: false,
      };
    });
    return { name: layer.name, weight: layer.weight, opType: layer.opType, params: layer.params, choices };
  });
  const unit = data.losses.every((l) => l.loss === 'kl') ? 'kl' : 'nse';
  return { version: 1, metric, unit, samples: samplesFor(data), layers };
}
