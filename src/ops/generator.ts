import * as math from '../math.ts';
import { ModelError } from '../errors.ts';
import { float, has, int } from './attributes.ts';
import type { NodeSpec } from './op.ts';

/**
 * Random numbers for operators: the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998) with 53-bit uniforms and normal
 * numbers by the polar method, the generator NumPy's RandomState and with it ONNX's reference implementation draw from. One
 * seed gives one sequence.
 */
const N = 624;
const M = 397;

export class Generator {
  readonly #state = new Uint32Array(N);
  #at = N;
  #spare: number | undefined;

  /** @param seed its low 32 bits count */
  constructor(seed: number) {
    const s = this.#state;
    s[0] = seed % 2 ** 32;
    for (let i = 1; i < N; i++) {
      const v = s[i - 1]! ^ (s[i - 1]! >>> 30);
      s[i] = Math.imul(v, 1812433253) + i;
    }
  }

  #word(): number {
    const s = this.#state;
    if (this.#at === N) {
      for (let i = 0; i < N; i++) {
        const y = (s[i]! & 0x80000000) | (s[(i + 1) % N]! & 0x7fffffff);
        s[i] = s[(i + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.#at = 0;
    }
    let y = s[this.#at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** In [0, 1), a multiple of 2^-53. */
  uniform(): number {
    const high = this.#word() >>> 5;
    const low = this.#word() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** Mean 0, variance 1. */
  normal(): number {
    const spare = this.#spare;
    if (spare !== undefined) {
      this.#spare = undefined;
      return spare;
    }
    for (;;) {
      const a = 2 * this.uniform() - 1;
      const b = 2 * this.uniform() - 1;
      const r = a * a + b * b;
      if (r >= 1 || r === 0) continue;
      const f = Math.sqrt((-2 * math.log(r)) / r);
      this.#spare = f * a;
      return f * b;
    }
  }
}

/** FNV-1a of the name. */
function seedFrom(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** The seed a node draws from: its own, or without one a seed made from its name, so that two nodes differ. */
export function seedOf(node: NodeSpec, type: 'float' | 'int' = 'float'): number {
  if (!has(node, 'seed')) return seedFrom(node.name);
  const seed = Math.trunc(type === 'int' ? int(node, 'seed') : float(node, 'seed'));
  if (!Number.isFinite(seed)) throw new ModelError(`attribute "seed": expected a number, found ${seed}`);
  return ((seed % 2 ** 32) + 2 ** 32) % 2 ** 32;
}
