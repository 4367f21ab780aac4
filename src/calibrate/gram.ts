import type { Window } from '../graph/window.ts';
import { sizeOf } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** Floats of one chunk of unrolled windows. */
const CHUNK = 1 << 20;

/**
 * Running Gram matrices G = sum over inputs x x', one a group, in f32 by GEMM; `read` divides by the number of inputs seen:
 * E[x x'], the H of tr(dW H dW') (recipe: the Hessian of the layer's squared output error).
 * Memory: groups x cols x cols floats in wasm, until `dispose`.
 */
export class GramAccumulator {
  private readonly at: number;
  private count = 0;

  constructor(
    private readonly wasm: Wasm,
    readonly groups: number,
    readonly cols: number,
  ) {
    const n = groups * cols * cols;
    this.at = wasm.arena.alloc(4 * n);
    wasm.arena.f32(this.at, n).fill(0);
  }

  /** Adds the rows of x [rows, cols]; for layers with one group. */
  addRows(x: number, rows: number): void {
    const { arena, k } = this.wasm;
    const { cols } = this;
    if (rows === 0) return;
    arena.scope((alloc) => {
      k.gemm(1, 0, cols, cols, rows, 1, x, cols, x, cols, 1, this.at, cols, alloc(k.gemm_scratch()));
    });
    this.count += rows;
  }

  /** Adds every window over images x [images, groups * c, h, w], c * kh * kw = cols. */
  addWindows(x: number, images: number, c: number, window: Window): void {
    const { arena, k } = this.wasm;
    const { groups, cols, at } = this;
    const [h, w] = window.input;
    const [kh, kw] = window.kernel;
    const [sh, sw] = window.strides;
    const [dh, dw] = window.dilations;
    const [pt, pl] = window.pads;
    const [oh, ow] = window.output;
    const places = sizeOf(window.output);
    if (images === 0 || places === 0) return;
    const chunk = Math.max(1, Math.min(images, Math.floor(CHUNK / (cols * places))));
    arena.scope((alloc) => {
      const unrolled = alloc(4 * cols * chunk * places);
      const scratch = alloc(k.gemm_scratch());
      for (let first = 0; first < images; first += chunk) {
        const count = Math.min(chunk, images - first);
        const width = count * places;
        for (let g = 0; g < groups; g++) {
          for (let i = 0; i < count; i++) {
            const image = x + 4 * ((first + i) * groups + g) * c * h * w;
            k.im2col(image, c, h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow, unrolled + 4 * i * places, width);
          }
          k.gemm(
            0,
            1,
            cols,
            cols,
            width,
            1,
            unrolled,
            width,
            unrolled,
            width,
            1,
            at + 4 * g * cols * cols,
            cols,
            scratch,
          );
        }
      }
    });
    this.count += images * places;
  }

  /** E[x x'] as [groups, cols, cols] on the JavaScript heap; zeros where nothing was seen. */
  read(): Float32Array {
    const n = this.groups * this.cols * this.cols;
    const gram = this.wasm.arena.f32(this.at, n).slice();
    if (this.count > 0) for (let i = 0; i < n; i++) gram[i] = gram[i]! / this.count;
    return gram;
  }

  dispose(): void {
    this.wasm.arena.free(this.at);
  }
}
