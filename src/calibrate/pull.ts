import type { Wasm } from '../wasm/wasm.ts';

/** Floats of what weights make of one chunk of inputs. */
const CHUNK = 1 << 20;

/**
 * Running E[(w x - w y) y'] for weights w [rows, cols] and inputs x that became y, from d = x - y: what draws the weights towards those
 * that make of y what w makes of x. Summed in f32 by GEMM: the outputs w d times y' where there are few rows, else d y' first
 * and the weights last. Row r is of group floor(r / (rows / groups)).
 * Memory in wasm until `dispose`: the weights, and groups x cols x cols floats or rows x cols.
 */
export class PullAccumulator {
  private readonly at: number;
  private readonly w: number;
  /** Whether outputs are multiplied: less work where a group has less than half as many rows as columns. */
  private readonly direct: boolean;
  private count = 0;

  /** @param weights [rows, cols] */
  constructor(
    private readonly wasm: Wasm,
    readonly groups: number,
    readonly rows: number,
    readonly cols: number,
    weights: Float32Array,
  ) {
    const { arena } = wasm;
    this.direct = 2 * (rows / groups) < cols;
    this.at = arena.alloc(4 * this.size);
    arena.f32(this.at, this.size).fill(0);
    this.w = arena.alloc(weights.byteLength);
    arena.put(this.w, weights);
  }

  /**
   * Adds inputs of one group, stored as [n, cols] with trans 1, as [cols, n] with 0; rows of storage `ld` apart.
   * @param scratch `gemm_scratch()` bytes
   */
  add(g: number, d: number, y: number, trans: 0 | 1, n: number, ld: number, scratch: number): void {
    const { arena, k } = this.wasm;
    const { cols, groups, direct } = this;
    const rows = this.rows / groups;
    const to = this.at + 4 * g * (direct ? rows : cols) * cols;
    arena.scope((alloc) => {
      if (!direct) {
        k.gemm(trans, 1 - trans, cols, cols, n, 1, d, ld, y, ld, 1, to, cols, scratch);
        return;
      }
      const w = this.w + 4 * g * rows * cols;
      const chunk = Math.max(1, Math.min(n, Math.floor(CHUNK / rows)));
      const made = alloc(4 * rows * chunk);
      for (let first = 0; first < n; first += chunk) {
        const m = Math.min(chunk, n - first);
        const skip = 4 * first * (trans ? ld : 1);
        k.gemm(0, trans, rows, m, cols, 1, w, cols, d + skip, ld, 0, made, m, scratch);
        k.gemm(0, 1 - trans, rows, cols, m, 1, made, m, y + skip, ld, 1, to, cols, scratch);
      }
    });
  }

  /** Counts inputs that were added. */
  seen(count: number): void {
    this.count += count;
  }

  /** [rows, cols]; zeros where nothing was seen. */
  read(): Float32Array {
    const { wasm, rows, cols, groups, direct, count } = this;
    const { arena, k } = wasm;
    const each = rows / groups;
    const scale = count > 0 ? 1 / count : 0;
    if (direct) return arena.f32(this.at, rows * cols).map((v) => v * scale);
    return arena.scope((alloc) => {
      const out = alloc(4 * rows * cols);
      const scratch = alloc(k.gemm_scratch());
      for (let g = 0; g < groups; g++) {
        const skip = 4 * g * each * cols;
        const of = this.at + 4 * g * cols * cols;
        k.gemm(0, 0, each, cols, cols, scale, this.w + skip, cols, of, cols, 0, out + skip, cols, scratch);
      }
      return arena.f32(out, rows * cols).slice();
    });
  }

  dispose(): void {
    const { arena } = this.wasm;
    arena.free(this.w);
    arena.free(this.at);
  }

  private get size(): number {
    const { direct, rows, groups, cols } = this;
    return (direct ? rows : groups * cols) * cols;
  }
}
