import type { OutputLoss } from '../curvature/damage.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** A probability counts as no smaller than this where it is divided by. */
const LEAST_PROBABILITY = 1e-12;

/**
 * The gradient of the damage in the outputs, for a batch whose damage is the mean over losses.
 * @param energy mean square of the reference's elements, by output
 */
export function seedsOf(
  wasm: Wasm,
  losses: readonly OutputLoss[],
  reference: (output: string) => Tensor,
  other: (output: string) => Tensor,
  energy: (output: string) => number,
): Map<string, Float32Array> {
  const seeds = new Map<string, Float32Array>();
  for (const { output, loss, probabilities } of losses) {
    const [p, q] = [reference(output), other(output)];
    const own = loss === 'kl' ? distributionSeeds(wasm, p, q, probabilities) : squareSeeds(p, q, energy(output));
    for (let i = 0; i < own.length; i++) own[i] = own[i]! / losses.length;
    const before = seeds.get(output);
    seeds.set(output, before ? before.map((x, i) => x + own[i]!) : own);
  }
  return seeds;
}

/**
 * The gradient in q of the mean over rows (the last axis) of KL(p || q): softmax(q) - softmax(p) over the number of rows for scores; where
 * they are probabilities already, 1 / sum q - (p / sum p) / q, over the same.
 */
export function distributionSeeds(wasm: Wasm, p: Tensor, q: Tensor, probabilities: boolean): Float32Array {
  const cols = p.dims.at(-1) ?? 1;
  const n = p.data.length;
  if (n === 0) return new Float32Array(0);
  const rows = n / cols;
  if (!probabilities) {
    const [a, b] = [softmax(wasm, p, rows, cols), softmax(wasm, q, rows, cols)];
    for (let i = 0; i < n; i++) b[i] = (b[i]! - a[i]!) / rows;
    return b;
  }
  const out = new Float32Array(n);
  const [a, b] = [p.data as Float32Array, q.data as Float32Array];
  for (let r = 0; r < n; r += cols) {
    let [sumP, sumQ] = [0, 0];
    for (let i = r; i < r + cols; i++) {
      sumP += a[i]!;
      sumQ += b[i]!;
    }
    if (!(sumP > 0 && sumQ > 0)) continue;
    for (let i = r; i < r + cols; i++) out[i] = (1 / sumQ - a[i]! / sumP / Math.max(b[i]!, LEAST_PROBABILITY)) / rows;
  }
  return out;
}

/** The gradient in q of squared error / (elements times `energy`), the share of the reference's energy that the error is. */
export function squareSeeds(p: Tensor, q: Tensor, energy: number): Float32Array {
  const [a, b] = [p.data as Float32Array, q.data as Float32Array];
  const scale = energy > 0 && a.length > 0 ? 2 / (a.length * energy) : 0;
  const out = new Float32Array(a.length);
  for (let i = 0; i < out.length; i++) out[i] = scale * (b[i]! - a[i]!);
  return out;
}

function softmax(wasm: Wasm, t: Tensor, rows: number, cols: number): Float32Array {
  const { arena, k } = wasm;
  return arena.scope((alloc) => {
    const at = alloc(4 * rows * cols);
    arena.put(at, t.data);
    k.softmax(at, at, rows, cols);
    return arena.f32(at, rows * cols).slice();
  });
}
