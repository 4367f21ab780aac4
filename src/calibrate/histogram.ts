import type { Dataset } from '../data/dataset.ts';
import { DataError } from '../errors.ts';
import type { Session } from '../graph/session.ts';
import { asFloats, FLOATING } from '../grid/weight.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { breath } from '../progress.ts';

/** Cells of a histogram. */
const CELLS = 4096;
/** Largest whole number that a cell is counted by: exact, and so is every end of a cell. */
const FARTHEST = 2 ** 50;
/** Narrowest and widest cell: 2 to these powers. */
const LEAST = -140;
const MOST = 120;

/** Counts of a value's elements by cells of equal width. */
export interface Cells {
  /** Cell i holds elements from (first + i) width to less than (first + i + 1) width. */
  readonly width: number;
  readonly first: number;
  readonly counts: Float64Array;
  /** Elements that are exactly 0: they are in no cell. */
  readonly zeros: number;
  readonly min: number;
  readonly max: number;
}

/**
 * A histogram of elements that come in batches, in one pass and fixed memory. Cells are 2^e wide and begin at whole multiples of
 * that; where an element falls outside, two neighbours become one, which is exact. So the cells depend on what was seen, not on its
 * order or on how it was cut into batches.
 */
export class Histogram {
  #counts = new Float64Array(CELLS);
  #exponent = LEAST;
  #first = 0;
  #zeros = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  /** Adds elements; those that are not finite are left out. */
  add(x: Float32Array): void {
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < x.length; i++) {
      const v = x[i]!;
      if (v < min && v >= -LARGEST) min = v;
      if (v > max && v <= LARGEST) max = v;
    }
    if (min > max) return;
    this.#min = Math.min(this.#min, min);
    this.#max = Math.max(this.#max, max);
    this.#fit();
    const counts = this.#counts;
    const scale = 2 ** -this.#exponent;
    const first = this.#first;
    let zeros = 0;
    for (let i = 0; i < x.length; i++) {
      const v = x[i]!;
      if (v === 0) zeros++;
      else if (v >= min && v <= max) counts[Math.floor(v * scale) - first]!++;
    }
    this.#zeros += zeros;
  }

  read(): Cells {
    const seen = this.#min <= this.#max;
    return {
      width: 2 ** this.#exponent,
      first: this.#first,
      counts: this.#counts.slice(),
      zeros: this.#zeros,
      min: seen ? this.#min : 0,
      max: seen ? this.#max : 0,
    };
  }

  /** Widens cells until they reach from the least element to the largest. */
  #fit(): void {
    const low = (e: number): number => Math.floor(this.#min * 2 ** -e);
    const high = (e: number): number => Math.floor(this.#max * 2 ** -e);
    let e = this.#exponent;
    while (e < MOST && (high(e) - low(e) >= CELLS || Math.max(-low(e), high(e)) > FARTHEST)) e++;
    const first = low(e);
    if (e === this.#exponent && first === this.#first) return;
    const merged = new Float64Array(CELLS);
    const steps = 2 ** (e - this.#exponent);
    for (let i = 0; i < CELLS; i++) {
      const n = this.#counts[i]!;
      if (n > 0) merged[Math.floor((this.#first + i) / steps) - first]! += n;
    }
    this.#counts = merged;
    this.#exponent = e;
    this.#first = first;
  }
}

/** Largest finite float. */
const LARGEST = 3.4028234663852886e38;

export interface HistogramOptions {
  readonly batch: number;
  /** Most samples run. */
  readonly samples: number;
  readonly progress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Runs a model over data and counts the elements of some of its values.
 * @param groups value name -> number of the histogram that its elements go to, from 0
 * @throws DataError for data that holds no sample
 */
export async function histogramsOf(
  wasm: Wasm,
  session: Session,
  groups: ReadonlyMap<string, number>,
  dataset: Dataset,
  { batch, samples, progress }: HistogramOptions,
): Promise<Cells[]> {
  const histograms = Array.from({ length: Math.max(-1, ...groups.values()) + 1 }, () => new Histogram());
  const add = (name: string, t: Tensor | undefined): void => {
    const group = groups.get(name);
    if (group !== undefined && t && FLOATING.has(t.dtype)) histograms[group]!.add(asFloats(wasm, t));
  };
  const total = Math.min(samples, dataset.count);
  let done = 0;
  for await (const { feeds, count } of dataset.batches(batch, { limit: total })) {
    for (const [name, t] of Object.entries(feeds)) add(name, t);
    session.run(feeds, {
      observe: (node, _, outputs) => {
        node.outputs.forEach((name, i) => {
          add(name, outputs[i]);
        });
      },
    });
    done += count;
    progress?.(done, total);
    await breath();
  }
  if (done === 0) throw new DataError('calibration data: expected at least one sample, found none');
  return histograms.map((h) => h.read());
}
