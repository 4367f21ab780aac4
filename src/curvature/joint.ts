import type { Layer } from '../graph/layers.ts';
import type { Tensor } from '../tensor.ts';
import type { Width } from './candidates.ts';
import { DamageMeter } from './damage.ts';
import type { MetricContext, MetricData } from './metric.ts';

/** Width of every layer, or of every row of it, by weight name; a layer that is not named, or named with 32, stays in float. */
export type Widths = ReadonlyMap<string, Width>;

/**
 * Damage of whole allocations, measured on the calibration data: every layer quantized at once. The sum of one-layer damages
 * misses how layers interact; this does not.
 */
export class JointMeasurement {
  private readonly known = new Map<string, number>();
  private references: Readonly<Record<string, Tensor>>[] | undefined;

  constructor(
    private readonly context: MetricContext,
    private readonly data: MetricData,
    private readonly range: { readonly start: number; readonly samples: number },
  ) {}

  /** How many samples a plan is measured on, and the one after the last of them. */
  get samples(): number {
    return this.range.samples;
  }

  /** Whether these are other samples than those calibrated on. */
  get heldBack(): boolean {
    return this.range.start > 0;
  }

  get end(): number {
    return this.range.start + this.range.samples;
  }

  /** Damage in the unit of the losses. Measured once for every different allocation. */
  async damage(widths: Widths): Promise<number> {
    const key = this.context.layers.map((l) => String(widths.get(l.weight) ?? 32)).join(';');
    const before = this.known.get(key);
    if (before !== undefined) return before;
    const damage = await this.measure(weightsOf(this.context, widths));
    this.known.set(key, damage);
    return damage;
  }

  /** Damage with these weights in the place of the initializers. */
  async measure(weights: ReadonlyMap<string, Tensor>): Promise<number> {
    const { session, wasm } = this.context;
    const meter = new DamageMeter(wasm, this.data.losses);
    const references = this.references ?? [];
    let i = 0;
    for await (const batch of this.data.dataset.batches(this.data.batch, {
      start: this.range.start,
      limit: this.samples,
    })) {
      references[i] ??= session.run(batch.feeds);
      meter.add(references[i]!, session.run(batch.feeds, { weights }));
      i++;
      this.context.progress('measuring allocations together', i, Math.ceil(this.samples / this.data.batch));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    this.references = references;
    return meter.read();
  }
}

/** The weights an allocation puts in the place of the initializers. */
export function weightsOf(context: Pick<MetricContext, 'layers' | 'candidates'>, widths: Widths): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const layer of context.layers as readonly Layer[]) {
    const bits = widths.get(layer.weight) ?? 32;
    if (bits !== 32) weights.set(layer.weight, context.candidates.tensor(layer, bits));
  }
  return weights;
}
