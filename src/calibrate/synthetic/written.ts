import type { Session } from '../../graph/index.ts';
import type { Wasm } from '../../wasm/wasm.ts';
import { type Tensor, tensor } from '../../tensor.ts';
import type { Draws } from './draws.ts';
import { breath } from '../../progress.ts';

/** What reads tokens and tells the next one of each. */
export interface Writer {
  /** Scores [n, length, rows]. */
  readonly output: string;
  readonly rows: number;
  readonly length: number;
}

/**
 * Whether a model is one that tells the next token: an output holds a score of every row of the table for every token, and tokens
 * after a place do not move the scores there.
 * @param tokens the feed [n, length], rows of a table of `rows`
 */
export function writerOf(
  session: Session,
  feeds: Readonly<Record<string, Tensor>>,
  input: string,
  rows: number,
): Writer | undefined {
  const tokens = feeds[input]!;
  const [n, length] = tokens.dims;
  if (tokens.dims.length !== 2 || n === undefined || length === undefined || length < 2 || rows < 2) return undefined;
  const before = session.run(feeds);
  const output = session.outputs.find(
    (o) => before[o.name]!.dtype === 'float' && String(before[o.name]!.dims) === String([n, length, rows]),
  )?.name;
  if (output === undefined) return undefined;
  const changed = tensor(tokens.dtype, tokens.dims, tokens.data.slice());
  for (let s = 0; s < n; s++) {
    const at = (s + 1) * length - 1;
    const old = Number(changed.data[at]);
    put(changed, at, old + 1 < rows ? old + 1 : 0);
  }
  const after = session.run({ ...feeds, [input]: changed });
  const last = (length - 1) * rows;
  for (let s = 0; s < n; s++)
    for (let i = s * length * rows; i < s * length * rows + last; i++) {
      const a = Number(before[output]!.data[i]);
      const b = Number(after[output]!.data[i]);
      // Sums over masked places may differ in their last digits.
      if (!(Math.abs(a - b) <= 1e-4 * (1 + Math.abs(a)))) return undefined;
    }
  return { output, rows, length };
}

/** Passes over all tokens: the most, the fewest, and products they may take together (a few minutes' work). */
const PASSES = 24;
const FEWEST = 4;
const WORK = 4e11;
/** After so many passes the token at this place, drawn from what the model says, becomes the first one. */
const FIRST_FROM = FEWEST;

/**
 * Text drawn from the model's own next-token distribution (Z. Liu et al., "LLM-QAT: Data-Free Quantization Aware Training for
 * Large Language Models", 2023), all places at once: every pass draws each token anew, by one uniform number that stays the
 * place's own, from what the model says behind the tokens of the pass before (Jacobi iteration of the sampling recursion: A.
 * Santilli et al., "Accelerating Transformer Inference for Translation via Parallel Decoding", 2023). k passes make the first k
 * tokens exact samples; the rest follow what came before them.
 * @param tokens where to start: [n, length], rewritten in place
 * @param parameters of the model: with many of them fewer passes are made
 * @param run the model's scores for some sequences [count, length] from the `start`th on, and where they lie
 */
export async function write(
  wasm: Wasm,
  writer: Writer,
  tokens: Tensor,
  draws: Draws,
  parameters: number,
  batch: number,
  run: (start: number, count: number) => Tensor,
  progress: (done: number, total: number) => void = () => {},
): Promise<void> {
  const { length, rows } = writer;
  const n = tokens.dims[0]!;
  const uniforms = Float64Array.from({ length: n * length }, () => draws.uniform());
  const affordable = Math.max(FEWEST + 1, Math.floor(WORK / (n * length * Math.max(1, parameters))));
  const passes = Math.min(PASSES, affordable, length + FIRST_FROM);
  for (let pass = 0; pass < passes; pass++) {
    let changed = false;
    for (let start = 0; start < n; start += batch) {
      const count = Math.min(batch, n - start);
      const scores = run(start, count);
      const drawn = drawRows(wasm, scores, count * length, rows, uniforms.subarray(start * length));
      for (let s = 0; s < count; s++)
        for (let t = 0; t + 1 < length; t++) {
          const at = (start + s) * length + t + 1;
          const token = drawn[s * length + t]!;
          changed ||= Number(tokens.data[at]) !== token;
          put(tokens, at, token);
        }
      progress(pass * n + start + count, passes * n);
      await breath();
    }
    if (pass === FIRST_FROM - 1 && length > FIRST_FROM) {
      for (let s = 0; s < n; s++) put(tokens, s * length, Number(tokens.data[s * length + FIRST_FROM]));
      changed = true;
    }
    if (!changed) break;
  }
}

/** One class of each row of scores, by the inverse of its distribution function at the row's uniform number. */
function drawRows(wasm: Wasm, scores: Tensor, rows: number, cols: number, uniforms: Float64Array): Int32Array {
  const { arena, k } = wasm;
  const drawn = new Int32Array(rows);
  arena.scope((alloc) => {
    const at = alloc(4 * rows * cols);
    arena.put(at, scores.data);
    k.softmax(at, at, rows, cols);
    const shares = arena.f32(at, rows * cols);
    for (let r = 0; r < rows; r++) {
      const wanted = uniforms[r]!;
      let sum = 0;
      let c = 0;
      for (; c < cols - 1; c++) {
        sum += shares[r * cols + c]!;
        if (sum > wanted) break;
      }
      drawn[r] = c;
    }
  });
  return drawn;
}

/** Sets one element of a tensor of integers. */
export function put(t: Tensor, at: number, value: number): void {
  if (t.data instanceof BigInt64Array || t.data instanceof BigUint64Array) t.data[at] = BigInt(value);
  else t.data[at] = value;
}
