import { DataError, KappaError } from '../errors.ts';
import { type Dataset, datasetFromArrays, datasetFromSamples } from '../data/index.ts';
import { findNonFinite } from '../data/finite.ts';
import { Session } from '../graph/index.ts';
import type { Model } from '../onnx/model.ts';
import type { Progress } from '../progress.ts';
import { sizeOf, type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { Draws, TEXTURES } from './synthetic/draws.ts';
import { type InputKind, inputKinds } from './synthetic/inputs.ts';
import { fitMoments, type Moments, targetOf } from './synthetic/moments.ts';
import { channelAxis, drawFloats, drawSamples, named, part, plain, type Source, spread } from './synthetic/source.ts';
import { ATTEMPTS, shapesOf } from './synthetic/shapes.ts';
import { write, writerOf } from './synthetic/written.ts';

/** What `syntheticDataset` may be told. */
export interface SyntheticOptions {
  /** Samples wanted, >= 1; fewer are drawn where they would not fit into 256 MiB. Default 128, 32 of tokens. */
  readonly samples?: number | undefined;
  readonly seed?: number | undefined;
  readonly progress?: Progress | undefined;
}

/** Inputs drawn in the place of data. */
export interface Synthetic {
  readonly dataset: Dataset;
  /** What was drawn and what it rests on, one line, to be printed wherever the data was used. */
  readonly note: string;
}

const SAMPLES = 128;
const TEXTS = 32;
/** Elements of all samples of one input together. */
const MOST = 2 ** 26;
/** Inputs of this many channels or fewer have a mean of their own for each. */
const CHANNELS = 16;
/** Probes of each texture, and samples run at once. */
const PROBES = 8;
const BATCH = 16;

/**
 * Inputs for people without data, drawn by seed: never as good as real ones, and every figure measured on them is a proxy.
 *
 * - Integers that index a table: text the model writes itself where it tells the next token, any row otherwise.
 * - Integers that are compared with constants: those constants. Other integers and truth values: 0 or 1.
 * - Numbers in front of a BatchNormalization, with nothing but affine operators between: means and variances for which its
 *   running statistics are met as nearly as can be, pictures with the texture that meets them best.
 * - Other pictures: dead leaves, mean 0 and variance 1. Anything else: standard normal.
 *
 * Sizes a model leaves open are tried until it runs. Take the model as it came: folding drops the statistics.
 * @throws DataError where no size tried makes the model run; UnsupportedError for operators and types there are none of;
 *   RangeError for a number of samples that is none
 */
export async function syntheticDataset(wasm: Wasm, model: Model, options: SyntheticOptions = {}): Promise<Synthetic> {
  const { samples, seed = 0, progress = () => {} } = options;
  if (samples !== undefined && !(Number.isSafeInteger(samples) && samples >= 1))
    throw new RangeError(`samples: expected a whole number >= 1, got ${samples}`);
  const session = new Session(model, wasm);
  try {
    return await new Synthesis(wasm, model, session, seed, progress).dataset(samples);
  } finally {
    session.dispose();
  }
}

class Synthesis {
  constructor(
    private readonly wasm: Wasm,
    private readonly model: Model,
    private readonly session: Session,
    private readonly seed: number,
    private readonly progress: Progress,
  ) {}

  async dataset(asked: number | undefined): Promise<Synthetic> {
    const kinds = inputKinds(this.model, this.session);
    if (kinds.length === 0) throw new DataError('data-free: the model has no input to draw');
    const plain = this.plainSources(kinds);
    const one = this.sample(plain, 1, 0);
    const sources = plain.map((source, i) => this.fitted(source, i, one));
    const wanted = asked ?? (kinds.some((k) => k.rows !== undefined) ? TEXTS : SAMPLES);
    const largest = Math.max(...sources.map((s) => sizeOf(s.shape)));
    const samples = Math.max(1, Math.min(wanted, Math.floor(MOST / Math.max(1, largest))));
    const together = this.takesBatches(sources);
    const arrays = this.sample(sources, samples, 1);
    const written = await this.write(sources, arrays, samples, together);
    const notes = sources.map(
      (s) => `${s.kind.name} [${s.shape.join(', ')}] ${s.kind.name === written ? WRITTEN : s.note}`,
    );
    const fewer = samples < wanted ? ` (of ${wanted} wanted)` : '';
    const note = `no real data: ${samples} inputs${fewer} drawn with seed ${this.seed}, every damage measured on them is a proxy; ${notes.join('; ')}`;
    const name = 'drawn data';
    if (together) return { dataset: datasetFromArrays(new Map(Object.entries(arrays)), name), note };
    const parts = Array.from({ length: samples }, (_, i) => ({
      name: `${name} ${i}`,
      read: () => new Map(sources.map(({ kind, shape }) => [kind.name, part(arrays[kind.name]!, shape, i)])),
    }));
    return { dataset: await datasetFromSamples(parts, name), note };
  }

  /** Sources of the first sizes the model runs on, before anything is fitted. */
  private plainSources(kinds: readonly InputKind[]): Source[] {
    let reason = `every size makes more than ${MOST} elements`;
    const tried = new Set<string>();
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const shapes = shapesOf(kinds, attempt);
      const key = [...shapes.values()].join(';');
      if (tried.has(key) || [...shapes.values()].some((s) => sizeOf(s) > MOST)) continue;
      tried.add(key);
      const sources = kinds.map((kind) => plain(kind, shapes.get(kind.name)!));
      try {
        const made = this.session.run(this.sample(sources, 1, 0));
        const bad = Object.entries(made).find(([, t]) => findNonFinite(t) !== undefined);
        if (bad === undefined) return sources;
        reason = `output "${bad[0]}" is not finite`;
      } catch (error) {
        if (!(error instanceof KappaError)) throw error;
        reason = error.message;
      }
    }
    throw new DataError(`data-free: no inputs found that the model runs on (${tried.size} sizes tried): ${reason}`);
  }

  /** The source with the moments that the first BatchNormalization behind it asks for. */
  private fitted(source: Source, index: number, others: Readonly<Record<string, Tensor>>): Source {
    const { kind, shape } = source;
    if (kind.dtype !== 'float') return source;
    const target = targetOf(this.model, kind.name);
    if (target === undefined) return source;
    const axis = channelAxis(kind, shape);
    const channels = axis !== undefined && shape[axis]! <= CHANNELS ? shape[axis]! : 1;
    const run = (x: Tensor) =>
      this.session.run({ ...others, [kind.name]: x }, { fetch: [target.value] })[target.value]!;
    const draw = (moments: Moments, draws: Draws) => drawFloats({ ...source, moments }, draws, 1);
    try {
      const moments = fitMoments(
        target,
        channels,
        spread(kind, shape) ? TEXTURES : ['white'],
        {
          flat: (means) => draw({ texture: 'white', means, deviation: 0 }, new Draws(0)),
          textured: (texture) => {
            const draws = new Draws(this.seed + 7919 * (index + 1));
            return Array.from({ length: PROBES }, () => draw({ texture, means: [0], deviation: 1 }, draws));
          },
        },
        run,
      );
      if (moments === undefined) return source;
      return { ...source, moments, note: `${named(moments.texture, kind)} that meet the statistics of ${target.node}` };
    } catch (error) {
      if (!(error instanceof KappaError)) throw error;
      return source;
    }
  }

  /** Whether the first axis of every input counts samples, so that several can be run at once. */
  private takesBatches(sources: readonly Source[]): boolean {
    const counts = ({ kind, shape }: Source) =>
      shape[0] === 1 && (typeof kind.dims[0] !== 'number' || kind.dims[0] === 1);
    if (!sources.every(counts)) return false;
    // One sample at a time is a batch of its own.
    if (sources.some(({ kind }) => kind.dims[0] === 1)) return true;
    try {
      this.session.run(this.sample(sources, 2, 0));
      return true;
    } catch (error) {
      if (!(error instanceof KappaError)) throw error;
      return false;
    }
  }

  /** n samples of every input, stacked along their first axis. */
  private sample(sources: readonly Source[], n: number, stream: number): Record<string, Tensor> {
    return drawSamples(this.wasm, sources, n, this.seed + 104729 * stream);
  }

  /** Rewrites the tokens of a model that tells the next one. @returns the name of their input */
  private async write(
    sources: readonly Source[],
    arrays: Readonly<Record<string, Tensor>>,
    samples: number,
    together: boolean,
  ): Promise<string | undefined> {
    const tables = sources.filter((s) => s.kind.rows !== undefined && s.shape.length === 2 && s.shape[0] === 1);
    for (const { kind, shape } of tables) {
      const cut = (start: number, count: number) =>
        Object.fromEntries(sources.map((s) => [s.kind.name, part(arrays[s.kind.name]!, s.shape, start, count)]));
      const writer = writerOf(this.session, cut(0, 1), kind.name, kind.rows!);
      if (writer === undefined) continue;
      const batch = together && typeof kind.dims[0] !== 'number' ? BATCH : 1;
      const tokens = tensor(arrays[kind.name]!.dtype, [samples, shape[1]!], arrays[kind.name]!.data);
      const parameters = this.model.graph.initializers.reduce((sum, i) => sum + sizeOf(i.dims), 0);
      const run = (start: number, count: number) => this.session.run(cut(start, count))[writer.output]!;
      await write(this.wasm, writer, tokens, new Draws(this.seed + 15485863), parameters, batch, run, (done, total) =>
        this.progress('writing text', done, total),
      );
      return kind.name;
    }
    return undefined;
  }
}

const WRITTEN = 'text the model wrote itself';
