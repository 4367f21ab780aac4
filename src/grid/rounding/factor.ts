import type { Wasm } from '../../wasm/wasm.ts';
import type { LayerGram } from '../gram.ts';

/** What H's diagonal is raised by, as a share of its mean (GPTQ's own value), until the factor exists. */
const DAMPING: readonly number[] = [0.01, 0.1, 1];
/** Floats of factors kept for further widths of the same weights. */
const KEPT = 1 << 25;

/** H + damp I, columns in `order`, is U diag(D) U', U unit upper triangular: what feedback between columns is made of. */
export interface Factor {
  /** Columns by descending diagonal of H: those that matter most are rounded while all others can still make up for them. */
  readonly order: Int32Array;
  readonly u: Float32Array;
  readonly d: Float64Array;
  /** What was added to every diagonal element. */
  readonly damp: number;
}

const known = new WeakMap<Float32Array, readonly (Factor | undefined)[]>();
const recent: { gram: WeakRef<Float32Array>; size: number }[] = [];

/**
 * The factor of each group's Gram matrix; undefined where one holds what is not finite, is zero, or is indefinite beyond what
 * damping mends. Kept for the Gram matrices of late, by identity.
 */
export function factorsOf(wasm: Wasm, { gram, groups }: LayerGram, cols: number): readonly (Factor | undefined)[] {
  const before = known.get(gram);
  if (before) return before;
  const size = cols * cols;
  const made = Array.from({ length: groups }, (_, g) => factor(wasm, gram.subarray(g * size, (g + 1) * size), cols));
  known.set(gram, made);
  recent.push({ gram: new WeakRef(gram), size: gram.length });
  let total = recent.reduce((n, r) => n + r.size, 0);
  while (recent.length > 1 && total > KEPT) {
    const oldest = recent.shift()!;
    total -= oldest.size;
    const held = oldest.gram.deref();
    if (held) known.delete(held);
  }
  return made;
}

function factor(wasm: Wasm, h: Float32Array, n: number): Factor | undefined {
  const diagonal = Float64Array.from({ length: n }, (_, j) => h[j * (n + 1)]!);
  const mean = diagonal.reduce((a, b) => a + b, 0) / n;
  if (!(mean > 0) || !Number.isFinite(mean)) return undefined;
  const order = Int32Array.from(diagonal.keys()).sort((a, b) => diagonal[b]! - diagonal[a]! || a - b);
  const { k, arena } = wasm;
  return arena.scope((alloc) => {
    const from = alloc(4 * n * n);
    const perm = alloc(4 * n);
    const lower = alloc(8 * n * n);
    const scratch = alloc(k.gram_f64_scratch());
    arena.put(from, h);
    arena.put(perm, order.slice().reverse());
    for (const share of DAMPING) {
      const damp = share * mean;
      if (k.cholesky(from, n, perm, damp, lower, scratch) !== 0) continue;
      const u = alloc(4 * n * n);
      const d = alloc(8 * n);
      k.unit_factor(lower, n, u, d);
      return { order, u: arena.f32(u, n * n).slice(), d: arena.f64(d, n).slice(), damp };
    }
    return undefined;
  });
}
