import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { OutputLoss } from './damage.ts';

/** How the direction of an output's change is drawn: random signs, or labels from the model's own distribution. */
export type Draw = 'signs' | 'labels';

/**
 * Random vectors v at the outputs with E[v v'] the second derivative of the damage there, so that half the mean of (v . change)^2
 * over draws is the damage of a small change.
 *
 * KL of distributions p = softmax(z): v = sqrt(p) u - p (sqrt(p) . u) for random signs u has E[v v'] = diag(p) - p p', the Fisher
 * matrix, and so has v = p - e_y for labels y drawn from p (J. Martens, "New insights and perspectives on the natural gradient
 * method", 2020, section 5); where the output is p itself, u / sqrt(p) and 1 - e_y / p_y
 * (the same for changes that keep the sum). Squared error over squared norm: u, scaled.
 */
export class Projections {
  #state: number;

  /** @param energy mean square of each output's elements, by name */
  constructor(
    private readonly wasm: Wasm,
    private readonly losses: readonly OutputLoss[],
    private readonly energy: (output: string) => number,
    private readonly kind: Draw,
    seed: number,
  ) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  /** One vector for each output of a batch of `samples`, whose damage is the mean over samples. */
  draw(value: (output: string) => Tensor, samples: number): Map<string, Float32Array> {
    const seeds = new Map<string, Float32Array>();
    for (const loss of this.losses) {
      const t = value(loss.output);
      const share = samples / this.losses.length;
      const v = loss.loss === 'kl' ? this.#divergence(t, loss.probabilities, share) : this.#squares(t, loss, share);
      const before = seeds.get(loss.output);
      seeds.set(loss.output, before ? before.map((x, i) => x + v[i]!) : v);
    }
    return seeds;
  }

  #squares(t: Tensor, loss: OutputLoss, share: number): Float32Array {
    const n = t.data.length;
    const energy = this.energy(loss.output);
    const scale = n > 0 && energy > 0 ? Math.sqrt((2 * share) / (n * energy)) : 0;
    return Float32Array.from({ length: n }, () => this.#sign() * scale);
  }

  #divergence(t: Tensor, probabilities: boolean, share: number): Float32Array {
    const n = t.data.length;
    const cols = t.dims.at(-1) ?? 1;
    const rows = cols === 0 ? 0 : n / cols;
    const scale = rows === 0 ? 0 : Math.sqrt(share / rows);
    const p = probabilities ? (t.data as Float32Array).slice() : this.#softmax(t, rows, cols);
    const v = new Float32Array(n);
    for (let r = 0; r < n; r += cols) {
      const row = p.subarray(r, r + cols);
      const out = v.subarray(r, r + cols);
      if (this.kind === 'signs') this.#signed(row, out, probabilities);
      else this.#labelled(row, out, probabilities);
      for (let c = 0; c < cols; c++) out[c] = out[c]! * scale;
    }
    return v;
  }

  #signed(p: Float32Array, v: Float32Array, probabilities: boolean): void {
    let dot = 0;
    for (let c = 0; c < p.length; c++) {
      const u = this.#sign();
      const root = Math.sqrt(p[c]!);
      if (probabilities) v[c] = root > 0 ? u / root : 0;
      else {
        v[c] = u * root;
        dot += u * root;
      }
    }
    if (!probabilities) for (let c = 0; c < p.length; c++) v[c] = v[c]! - p[c]! * dot;
  }

  #labelled(p: Float32Array, v: Float32Array, probabilities: boolean): void {
    let left = this.#uniform();
    let label = p.length - 1;
    for (let c = 0; c < p.length; c++) {
      left -= p[c]!;
      if (left >= 0) continue;
      label = c;
      break;
    }
    if (p.length === 0) return;
    // Both have mean zero, so that what the rows of a batch say does not add up.
    if (probabilities) v.fill(1);
    else v.set(p);
    v[label] = v[label]! - (probabilities ? (p[label]! > 0 ? 1 / p[label]! : 0) : 1);
  }

  #softmax(t: Tensor, rows: number, cols: number): Float32Array {
    const { arena, k } = this.wasm;
    return arena.scope((alloc) => {
      const at = alloc(4 * rows * cols);
      arena.put(at, t.data);
      k.softmax(at, at, rows, cols);
      return arena.f32(at, rows * cols).slice();
    });
  }

  /** A 32-bit xorshift generator (G. Marsaglia, "Xorshift RNGs", 2003): the same on every engine. */
  #next(): number {
    let s = this.#state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.#state = s >>> 0;
    return this.#state;
  }

  #sign(): number {
    return this.#next() & 0x4000 ? 1 : -1;
  }

  #uniform(): number {
    return this.#next() / 4294967296;
  }
}
