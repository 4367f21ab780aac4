import { ModelError, UnsupportedError } from '../errors.ts';
import { choice, floats, has, int, ints, since } from './attributes.ts';
import type { NodeSpec, Op } from './op.ts';
import { integers, need } from './shape.ts';

/** n-grams as a tree: from one item to the next, and at the end of one that is in the pool its number. */
interface Branch {
  readonly next: Map<number, Branch>;
  number: number;
}

/** Bound on the starts of n-grams tried in a row, over all skips. */
const MOST_STARTS = 2 ** 28;

interface Pool {
  readonly root: Branch;
  /** Output column of each n-gram. */
  readonly columns: readonly number[];
}

function poolOf(node: NodeSpec): Pool {
  const counts = ints(node, 'ngram_counts');
  const columns = ints(node, 'ngram_indexes');
  const items = ints(node, 'pool_int64s');
  if (has(node, 'pool_strings')) throw new UnsupportedError('attribute "pool_strings"');
  if (counts === undefined || columns === undefined || items === undefined)
    throw new ModelError('attributes "ngram_counts", "ngram_indexes" and "pool_int64s" are needed');
  if (columns.some((c) => c < 0)) throw new ModelError(`attribute "ngram_indexes": expected columns >= 0`);
  const root: Branch = { next: new Map(), number: -1 };
  let number = 0;
  counts.forEach((start, i) => {
    const end = counts[i + 1] ?? items.length;
    const length = i + 1;
    if (!(start >= 0 && start <= end && end <= items.length && (end - start) % length === 0))
      throw new ModelError(
        `attribute "ngram_counts": expected ${length}-grams in whole within a pool of ${items.length}, found ${start}..${end}`,
      );
    for (let at = start; at < end; at += length) {
      let branch = root;
      for (let j = at; j < at + length; j++) {
        let next = branch.next.get(items[j]!);
        if (next === undefined) {
          next = { next: new Map(), number: -1 };
          branch.next.set(items[j]!, next);
        }
        branch = next;
      }
      branch.number = number++;
    }
  });
  if (number !== columns.length)
    throw new ModelError(
      `attribute "ngram_indexes": expected ${number} columns, one an n-gram, found ${columns.length}`,
    );
  return { root, columns };
}

/** Counts of the pool's n-grams of integers in each row of X, items up to max_skip_count apart; TF, IDF or both. */
export const TfIdfVectorizer: Op = since(9, (node) => {
  const most = int(node, 'max_gram_length');
  const least = int(node, 'min_gram_length');
  const skips = int(node, 'max_skip_count');
  const mode = choice(node, 'mode', ['TF', 'IDF', 'TFIDF'] as const, '' as 'TF');
  const weights = floats(node, 'weights');
  const { root, columns } = poolOf(node);
  if (!(least >= 1 && least <= most && skips >= 0))
    throw new ModelError(
      `expected 1 <= min_gram_length <= max_gram_length and max_skip_count >= 0, found ${least}, ${most}, ${skips}`,
    );
  if (weights !== undefined && weights.length !== columns.length)
    throw new ModelError(`attribute "weights": expected ${columns.length} numbers, found ${weights.length}`);
  const width = columns.reduce((a, b) => Math.max(a, b), -1) + 1;
  const factor = new Map(columns.map((c, i) => [c, weights?.[i] ?? 1]));
  return (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    if (x.dims.length > 2) throw new ModelError(`X: expected rank 1 or 2, found [${x.dims}]`);
    const [rows, n] = x.dims.length === 2 ? (x.dims as [number, number]) : [1, x.data.length];
    const items = integers(x, 'X');
    const y = rt.empty('float', x.dims.length === 2 ? [rows, width] : [width]);
    const counts = y.data as Float32Array;
    counts.fill(0);
    if (n * Math.min(skips + 1, n) > MOST_STARTS)
      throw new UnsupportedError(`max_skip_count ${skips} over rows of ${n}: too many combinations`);
    for (let r = 0; r < rows; r++)
      for (let step = 1; step <= skips + 1; step++) {
        // Single items are counted once: no skip parts them.
        const shortest = step === 1 ? least : Math.max(least, 2);
        for (let start = 0; start < n; start++) {
          let branch: Branch | undefined = root;
          for (let length = 1, at = start; length <= most && at < n; length++, at += step) {
            branch = branch.next.get(items[r * n + at]!);
            if (branch === undefined) break;
            if (length >= shortest && branch.number >= 0) counts[r * width + columns[branch.number]!]!++;
          }
        }
        if (step >= n) break;
      }
    if (mode !== 'TF')
      for (let i = 0; i < counts.length; i++) {
        const count = mode === 'IDF' ? Math.min(counts[i]!, 1) : counts[i]!;
        counts[i] = count * (factor.get(i % width) ?? 1);
      }
    return [y];
  };
});
