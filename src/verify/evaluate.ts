import type { OutputLoss } from '../curvature/damage.ts';
import type { Batch, Dataset } from '../data/dataset.ts';
import { DataError } from '../errors.ts';
import type { Session } from '../graph/session.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** Everything one pass over the data says of one output of a model, and of the same output of a reference. */
export interface Observed {
  readonly samples: number;
  readonly predictions: number;
  /** Predictions that carry a label (not negative); 0 without labels. */
  readonly labelled: number;
  readonly right: number;
  /** Sum of -log p(label) in nats. */
  readonly nll: number;
  readonly reference: ObservedReference | null;
}

export interface ObservedReference {
  readonly right: number;
  readonly nll: number;
  /** KL(reference || model) in nats, a sample (mean over its predictions), in the order of the data; empty for outputs that are no distributions. */
  readonly kl: readonly number[];
  /** Predictions whose argmax differs, a sample (share of its predictions). */
  readonly flips: readonly number[];
  readonly squaredError: number;
  readonly squaredNorm: number;
  readonly maxError: number;
  /** Largest proved bound on a prediction's KL from its own score differences: (max d - min d)^2 / 8. */
  readonly klBound: number;
  /** Predictions whose argmax is proved unchanged by their margin. */
  readonly certified: number;
}

export interface EvaluateOptions {
  readonly batch: number;
  readonly samples?: number | undefined;
  readonly progress?: ((done: number, total: number) => void) | undefined;
  /** The reference's output of every batch: filled by the first run, reused by later ones over the same data and batches. */
  readonly known?: Map<number, Tensor> | undefined;
}

/**
 * Runs a model, and a reference where there is one, over data and adds up accuracy, cross-entropy and differences of the
 * output `loss` names.
 * @throws DataError where labels do not fit the output
 */
export async function observe(
  wasm: Wasm,
  model: Session,
  reference: Session | null,
  dataset: Dataset,
  loss: OutputLoss,
  options: EvaluateOptions,
): Promise<Observed> {
  const total = Math.min(dataset.count, options.samples ?? dataset.count);
  const sum = new Sums(wasm, loss, reference !== null);
  const known = options.known;
  let index = 0;
  for await (const batch of dataset.batches(options.batch, { limit: total })) {
    const own = model.run(batch.feeds)[loss.output]!;
    const other = known?.get(index) ?? (reference ? reference.run(batch.feeds)[loss.output]! : null);
    if (other) known?.set(index, other);
    index++;
    sum.add(batch, own, other);
    options.progress?.(sum.samples, total);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return sum.read();
}

class Sums {
  samples = 0;
  private predictions = 0;
  private labelled = 0;
  private readonly own = { right: 0, nll: 0 };
  private readonly other = { right: 0, nll: 0 };
  private readonly kl: number[] = [];
  private readonly flips: number[] = [];
  private squaredError = 0;
  private squaredNorm = 0;
  private maxError = 0;
  private klBound = 0;
  private certified = 0;

  constructor(
    private readonly wasm: Wasm,
    private readonly loss: OutputLoss,
    private readonly referenced: boolean,
  ) {}

  add(batch: Batch, own: Tensor, other: Tensor | null): void {
    const cols = own.dims.at(-1) ?? 1;
    const rows = sizeOf(own.dims) / Math.max(1, cols);
    if (other && other.dims.join() !== own.dims.join())
      throw new DataError(`output ${this.loss.output}: the model's is [${own.dims}], the reference's [${other.dims}]`);
    const labels = batch.labels ? labelsFor(batch.labels, rows, cols) : undefined;
    this.samples += batch.count;
    this.predictions += rows;
    const { arena } = this.wasm;
    arena.scope((alloc) => {
      const q = alloc(own.data.byteLength);
      arena.put(q, own.data);
      const chosen = this.argmax(alloc, q, rows, cols);
      if (labels) {
        this.labelled += labels.reduce((n, l) => n + (l >= 0 ? 1 : 0), 0);
        this.score(alloc, q, own, labels, chosen, rows, cols, this.own);
      }
      if (!other) return;
      const p = alloc(other.data.byteLength);
      arena.put(p, other.data);
      const expected = this.argmax(alloc, p, rows, cols);
      if (labels) this.score(alloc, p, other, labels, expected, rows, cols, this.other);
      this.differ(own.data as Float32Array, other.data as Float32Array, expected, rows, cols);
      if (this.loss.loss === 'kl') this.diverge(alloc, p, q, rows, cols, batch.count, expected, chosen);
    });
  }

  read(): Observed {
    const {
      samples,
      predictions,
      labelled,
      own,
      other,
      kl,
      flips,
      squaredError,
      squaredNorm,
      maxError,
      klBound,
      certified,
    } = this;
    const reference = { ...other, kl, flips, squaredError, squaredNorm, maxError, klBound, certified };
    return { samples, predictions, labelled, ...own, reference: this.referenced ? reference : null };
  }

  private argmax(alloc: (n: number) => number, x: number, rows: number, cols: number): Int32Array {
    const at = alloc(4 * rows);
    this.wasm.k.argmax_rows(x, rows, cols, at);
    return this.wasm.arena.i32(at, rows).slice();
  }

  private score(
    alloc: (n: number) => number,
    x: number,
    tensor: Tensor,
    labels: Int32Array,
    chosen: Int32Array,
    rows: number,
    cols: number,
    into: { right: number; nll: number },
  ): void {
    for (let r = 0; r < rows; r++) if (labels[r]! >= 0 && labels[r] === chosen[r]) into.right++;
    const { arena, k } = this.wasm;
    if (this.loss.probabilities) {
      const p = tensor.data as Float32Array;
      for (let r = 0; r < rows; r++)
        if (labels[r]! >= 0) into.nll -= Math.log(Math.max(p[r * cols + labels[r]!]!, 1e-38));
      return;
    }
    const at = alloc(4 * rows);
    const out = alloc(8 * rows);
    arena.put(at, labels);
    k.nll_rows(x, at, rows, cols, out);
    for (const v of arena.f64(out, rows)) into.nll += v;
  }

  private differ(own: Float32Array, other: Float32Array, expected: Int32Array, rows: number, cols: number): void {
    for (let r = 0; r < rows; r++) {
      let low = Number.POSITIVE_INFINITY;
      let high = Number.NEGATIVE_INFINITY;
      const best = r * cols + expected[r]!;
      let margin = Number.POSITIVE_INFINITY;
      for (let i = r * cols; i < (r + 1) * cols; i++) {
        const d = own[i]! - other[i]!;
        this.squaredError += d * d;
        this.squaredNorm += other[i]! * other[i]!;
        if (d < low) low = d;
        if (d > high) high = d;
        if (i !== best) margin = Math.min(margin, other[best]! - other[i]!);
      }
      this.maxError = Math.max(this.maxError, high, -low);
      this.klBound = Math.max(this.klBound, (high - low) ** 2 / 8);
      if (margin > high - low) this.certified++;
    }
  }

  private diverge(
    alloc: (n: number) => number,
    p: number,
    q: number,
    rows: number,
    cols: number,
    count: number,
    expected: Int32Array,
    chosen: Int32Array,
  ): void {
    const { arena, k } = this.wasm;
    const out = alloc(8 * rows);
    (this.loss.probabilities ? k.kl_probability_rows : k.kl_rows)(p, q, rows, cols, out);
    const kl = arena.f64(out, rows);
    const each = rows / count;
    for (let s = 0; s < count; s++) {
      let sum = 0;
      let flips = 0;
      for (let r = s * each; r < (s + 1) * each; r++) {
        sum += kl[r]!;
        if (expected[r] !== chosen[r]) flips++;
      }
      this.kl.push(sum / each);
      this.flips.push(flips / each);
    }
  }
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
