import type { Plan } from '../allocate/types.ts';
import { breath, turn } from '../progress.ts';
import type { Tensor } from '../tensor.ts';
import type { Width } from './candidates.ts';
import { DamageMeter } from './damage.ts';
import type { MetricContext, MetricData } from './metric.ts';

/** Width of every layer, or of every row of it, by weight name; a layer that is not named, or named with 32, stays in float. */
export type Widths = ReadonlyMap<string, Width>;

/** Damage of an allocation that was measured whole. */
export interface Judged {
  readonly damage: number;
  /** Half the width of its 95 % interval (`intervalOf`); null where there is none. */
  readonly interval: number | null;
}

/** What a meter held after the first part of the samples. */
interface Begun {
  readonly state: readonly number[];
  readonly rows: readonly number[];
  readonly damage: number;
}

/** Share of the samples that an allocation is looked at with first, and the fewest that say anything. */
const FIRST = 0.25;
const FEWEST_FIRST = 16;

/**
 * Damage of whole allocations, measured on the calibration data: every layer quantized at once. The sum of one-layer damages
 * misses how layers interact; this does not. The samples come in two parts, so that an allocation that is much worse than others on
 * the first need not be run on the second.
 */
export class JointMeasurement {
  /** By the widths of all layers. */
  private readonly known: Map<string, Judged>;
  /** What a meter held after the first part. */
  private readonly begun = new Map<string, Begun>();
  /** Divergences of all predictions, in the same way. */
  private readonly rows = new Map<string, readonly number[]>();
  /** By the first sample of the batch. */
  private readonly references = new Map<number, Readonly<Record<string, Tensor>>>();
  private readonly first: number;

  /** @param known damages measured before */
  constructor(
    private readonly context: MetricContext,
    private readonly data: MetricData,
    private readonly range: { readonly start: number; readonly samples: number },
    known: ReadonlyMap<string, Judged> = new Map(),
  ) {
    this.known = new Map(known);
    const first = Math.max(FEWEST_FIRST, Math.ceil(range.samples * FIRST));
    // Whole batches alone where the model takes no others.
    const even = data.batch > 1 && range.samples % data.batch === 0 ? data.batch : 1;
    const whole = Math.ceil(first / even) * even;
    this.first = 2 * whole <= range.samples ? whole : range.samples;
  }

  /** How many samples a plan is measured on, and the one after the last of them. */
  get samples(): number {
    return this.range.samples;
  }

  /** How many of them are the first part: all where there are few. */
  get firstSamples(): number {
    return this.first;
  }

  /** Whether these are other samples than those calibrated on. */
  get heldBack(): boolean {
    return this.range.start > 0;
  }

  get end(): number {
    return this.range.start + this.range.samples;
  }

  /** Damage of every allocation measured whole, by its widths: for another `JointMeasurement` of the same layers and data. */
  get measured(): ReadonlyMap<string, Judged> {
    return this.known;
  }

  /** Damage in the unit of the losses. Measured once for every different allocation. */
  async damage(widths: Widths): Promise<number> {
    const key = this.keyOf(widths);
    const before = this.known.get(key);
    if (before !== undefined) return before.damage;
    const { damage, rows } = await this.measureRows(await this.weights(widths), this.begun.get(key));
    this.known.set(key, { damage, interval: this.interval(rows) });
    this.rows.set(key, rows);
    return damage;
  }

  /** Damage on the first part of the samples alone (`firstSamples`), which `damage` goes on from. */
  async damageOnFirst(widths: Widths): Promise<number> {
    if (this.first === this.samples) return this.damage(widths);
    const key = this.keyOf(widths);
    const before = this.begun.get(key);
    if (before) return before.damage;
    const meter = this.meter();
    await this.run(meter, await this.weights(widths), 0, this.first);
    const damage = meter.read();
    this.begun.set(key, { state: meter.state(), rows: meter.rows, damage });
    return damage;
  }

  /** Damage with these weights in the place of the initializers. */
  async measure(weights: ReadonlyMap<string, Tensor>): Promise<number> {
    return (await this.measureRows(weights)).damage;
  }

  /**
   * The same, and the divergence of every prediction where the losses are divergences.
   * @param begun what was found on the first part of the samples, where that was run
   */
  async measureRows(
    weights: ReadonlyMap<string, Tensor>,
    begun?: Begun,
  ): Promise<{ readonly damage: number; readonly rows: readonly number[] }> {
    const meter = this.meter();
    if (begun) meter.restore(begun.state);
    else await this.run(meter, weights, 0, this.first);
    await this.run(meter, weights, this.first, this.samples);
    return { damage: meter.read(), rows: [...(begun?.rows ?? []), ...meter.rows] };
  }

  /** Divergence of every prediction of an allocation; undefined where a loss is none. */
  async divergences(widths: Widths): Promise<readonly number[] | undefined> {
    const key = this.keyOf(widths);
    const found = this.rows.get(key) ?? (await this.measureRows(await this.weights(widths))).rows;
    this.rows.set(key, found);
    return this.diverges ? found : undefined;
  }

  /** Half the width of the 95 % interval of the damage of an allocation, on all samples or on the first, where it was measured. */
  intervalOf(widths: Widths): number | null {
    const key = this.keyOf(widths);
    return this.known.get(key)?.interval ?? this.interval(this.begun.get(key)?.rows ?? [], this.first);
  }

  /**
   * Half the width of the 95 % interval of a mean of divergences: normal approximation over samples, whose predictions are not
   * independent of each other. null for one sample, and for damages that are no such means.
   * @param rows divergences of the predictions, sample by sample
   */
  interval(rows: readonly number[], samples = this.samples): number | null {
    const each = rows.length / samples;
    if (!this.diverges || this.data.losses.length !== 1 || samples < 2 || each < 1 || !Number.isInteger(each))
      return null;
    let sum = 0;
    let square = 0;
    for (let s = 0; s < samples; s++) {
      let own = 0;
      for (let r = s * each; r < (s + 1) * each; r++) own += rows[r]! / each;
      sum += own;
      square += own * own;
    }
    const variance = Math.max(0, square - (sum * sum) / samples) / (samples - 1);
    const half = 1.96 * Math.sqrt(variance / samples);
    return Number.isFinite(half) ? half : null;
  }

  /** `weightsOf`, with turns for others: codes that are not kept are made anew. */
  private async weights(widths: Widths): Promise<Map<string, Tensor>> {
    const weights = new Map<string, Tensor>();
    for (const [name, tensor] of replacements(this.context, widths)) {
      weights.set(name, tensor);
      await turn();
      this.context.progress('measuring allocations together', 0, this.samples);
    }
    return weights;
  }

  private meter(): DamageMeter {
    return new DamageMeter(this.context.wasm, this.data.losses, this.diverges);
  }

  private get diverges(): boolean {
    return this.data.losses.every((l) => l.loss === 'kl');
  }

  private keyOf(widths: Widths): string {
    return this.context.layers.map((l) => String(widths.get(l.weight) ?? 32)).join(';');
  }

  /** Adds the samples from..to, counted from the range's first. */
  private async run(meter: DamageMeter, weights: ReadonlyMap<string, Tensor>, from: number, to: number): Promise<void> {
    if (from === to) return;
    const { session, progress } = this.context;
    const start = this.range.start + from;
    let at = start;
    for await (const { feeds, count } of this.data.dataset.batches(this.data.batch, { start, limit: to - from })) {
      const reference = this.references.get(at) ?? session.run(feeds);
      this.references.set(at, reference);
      meter.add(reference, session.run(feeds, { weights }));
      at += count;
      progress('measuring allocations together', at - this.range.start, this.samples);
      await breath();
    }
  }
}

/** The widths that a plan gives. */
export function widthsIn({ layers }: Pick<Plan, 'layers'>): Widths {
  return new Map(layers.map((l) => [l.weight, l.rowBits ?? l.bits]));
}

/** The weights an allocation puts in the place of the initializers. */
export function weightsOf(context: Pick<MetricContext, 'layers' | 'candidates'>, widths: Widths): Map<string, Tensor> {
  return new Map(replacements(context, widths));
}

function* replacements(
  { layers, candidates }: Pick<MetricContext, 'layers' | 'candidates'>,
  widths: Widths,
): Generator<readonly [name: string, tensor: Tensor]> {
  for (const layer of layers) {
    const bits = widths.get(layer.weight) ?? 32;
    if (bits === 32) continue;
    yield [layer.weight, candidates.tensor(layer, bits)];
    const bias = candidates.bias(layer, bits);
    if (bias) yield [bias.name, bias.tensor];
  }
}
