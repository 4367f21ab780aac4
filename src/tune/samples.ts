import { DamageMeter, type OutputLoss } from '../curvature/damage.ts';
import { batchesFor } from '../data/check.ts';
import type { Dataset } from '../data/dataset.ts';
import { DataError } from '../errors.ts';
import type { Session } from '../graph/session.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { breath } from '../progress.ts';

/** Predictions of one step, about, and the bounds of its samples. */
const PREDICTIONS = 1024;
const [FEWEST, MOST] = [8, 64];
/** Batches that few samples are cut into. */
const LEAST_BATCHES = 10;
/** Share of the samples that decides and is not tuned on. */
const HELD_OUT = 0.2;
/** Bytes of the reference's outputs that are kept; what is beyond is computed anew whenever it is needed. */
const KEPT = 2 ** 28;

type Values = Readonly<Record<string, Tensor>>;

export interface SampleSource {
  readonly session: Session;
  readonly losses: readonly OutputLoss[];
  readonly dataset: Dataset;
  /** Most samples run at once. */
  readonly batch: number;
  /** Samples of the data that may be used. */
  readonly samples: number;
  /** How many of these, the last ones, decide and are not tuned on; a fifth unless told. */
  readonly heldOut?: number | undefined;
}

/** The samples in batches, with what the original says of each: the first ones to tune on, the last ones to decide by. */
export class Samples {
  private readonly kept = new Map<number, Values>();
  private bytes = 0;
  /** Batches in all, and those to tune on, which come first. */
  readonly batches: number;
  readonly tuning: number;
  /** Batches whose energy was counted: 0..seen-1. */
  private seen = 0;
  private readonly energies = new Map<string, { sum: number; count: number }>();

  private constructor(
    private readonly source: SampleSource,
    /** Samples of a batch. */
    readonly size: number,
    /** Samples to tune on, and those to decide by. */
    readonly tuned: number,
    readonly heldOut: number,
  ) {
    this.tuning = Math.ceil(tuned / size);
    this.batches = this.tuning + Math.ceil(heldOut / size);
  }

  /** @throws DataError where there are not samples for both parts */
  static async of(source: SampleSource): Promise<Samples> {
    const { session, losses, dataset } = source;
    const { batch: least } = batchesFor(dataset, session.inputs, 1);
    let each = 1;
    for await (const { feeds } of dataset.batches(least, { limit: least })) {
      const { dims } = session.run(feeds)[losses[0]!.output]!;
      each = Math.max(1, sizeOf(dims.slice(0, -1)) / least);
    }
    const wanted = Math.max(FEWEST, Math.min(MOST, Math.ceil(PREDICTIONS / each)));
    const share = Math.max(1, Math.floor(Math.min(dataset.count, source.samples) / LEAST_BATCHES));
    const most = dataset.single ? 1 : Math.min(wanted, source.batch, share);
    const { batch, samples } = batchesFor(dataset, session.inputs, most, source.samples);
    // Whole batches, for models that take no others.
    const part = Math.max(1, Math.ceil((source.heldOut ?? samples * HELD_OUT) / least)) * least;
    if (samples <= part)
      throw new DataError(
        `tuning: expected ${part + least} samples or more, some to tune on and ${part} to decide by, found ${samples}`,
      );
    return new Samples(source, batch, samples - part, part);
  }

  /** Batch i and the original's outputs on it. */
  async at(i: number): Promise<{ feeds: Values; reference: Values }> {
    const { size, tuning, tuned, heldOut } = this;
    const own = i < tuning;
    const start = own ? i * size : tuned + (i - tuning) * size;
    const limit = Math.min(size, (own ? tuned : tuned + heldOut) - start);
    for await (const { feeds } of this.source.dataset.batches(limit, { start, limit }))
      return { feeds, reference: this.reference(i, feeds) };
    throw new DataError(`data: expected a sample ${start}, found none`);
  }

  /** Damage over batches from..to-1 with those initializers replaced. */
  async damage(
    wasm: Wasm,
    weights: ReadonlyMap<string, Tensor>,
    from: number,
    to: number,
    step: () => void,
  ): Promise<number> {
    const meter = new DamageMeter(wasm, this.source.losses);
    for (let i = from; i < to; i++) {
      step();
      const { feeds, reference } = await this.at(i);
      meter.add(reference, this.source.session.run(feeds, { weights }));
      await breath();
    }
    return meter.read();
  }

  /** Mean square of the elements of the original's output, over the batches seen so far, which are gone through in order first. */
  energy(output: string): number {
    const found = this.energies.get(output);
    return found && found.count > 0 ? found.sum / found.count : 0;
  }

  private reference(i: number, feeds: Values): Values {
    const known = this.kept.get(i);
    if (known) return known;
    const outputs = this.source.session.run(feeds);
    const own = Object.fromEntries(this.source.losses.map(({ output }) => [output, outputs[output]!]));
    let bytes = 0;
    const first = i === this.seen;
    if (first) this.seen++;
    for (const [output, { data }] of Object.entries(own)) {
      bytes += data.byteLength;
      if (!first) continue;
      const energy = this.energies.get(output) ?? { sum: 0, count: 0 };
      for (const v of data as Float32Array) energy.sum += v * v;
      energy.count += data.length;
      this.energies.set(output, energy);
    }
    if (this.bytes + bytes <= KEPT) {
      this.kept.set(i, own);
      this.bytes += bytes;
    }
    return own;
  }
}

/** Numbers 0..n-1, shuffled, again and again: a 32-bit xorshift generator (G. Marsaglia, "Xorshift RNGs", 2003). */
export function* shuffled(n: number, seed: number): Generator<number, never> {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  const next = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 4294967296) * below);
  };
  const order = Array.from({ length: n }, (_, i) => i);
  for (;;) {
    for (let i = n - 1; i > 0; i--) {
      const j = next(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    yield* order;
  }
}
