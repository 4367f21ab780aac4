import type { Window } from '../graph/window.ts';
import { Spill } from '../graph/spill.ts';
import { sizeOf } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { PullAccumulator } from './pull.ts';

/** Floats of one chunk of unrolled windows. */
const CHUNK = 1 << 20;
/** Rows of a symmetric product made at once: what lies left of them is known by symmetry. */
const PANEL = 128;
/** Windows for every column that tell as much as more would. */
const PLENTY = 32;

/** What inputs were before they became those that are added: x + by, laid out alike. */
export interface Change {
  readonly by: number;
  readonly to: PullAccumulator;
}

/**
 * Running Gram matrices G = sum over inputs x x', one a group, in f32 by GEMM; `read` divides by the number of inputs seen:
 * E[x x'], the H of tr(dW H dW') (recipe: the Hessian of the layer's squared output error). `mean` is that of the inputs
 * themselves: E[x]. What the inputs once were can be taken in along with them (`Change`).
 * Memory: groups x cols x cols floats, until `dispose`: in wasm, or on the JavaScript heap while there is no room.
 */
export class GramAccumulator {
  /** The matrices, and behind them the sums of the inputs, [groups, cols]. */
  private readonly place: Spill;
  private count = 0;
  /** Images so far. */
  private seen = 0;
  private products = true;

  /** @param images that windows of are to be added, all in all, where that is known */
  constructor(
    private readonly wasm: Wasm,
    readonly groups: number,
    readonly cols: number,
    private readonly images = 0,
  ) {
    this.place = new Spill(wasm, 4 * groups * cols * (cols + 1));
  }

  /** Adds the rows of x [rows, cols]; for layers with one group. */
  addRows(x: number, rows: number, change?: Change): void {
    const { cols } = this;
    if (rows === 0) return;
    this.wasm.arena.scope((alloc) => {
      const scratch = alloc(this.wasm.k.gemm_scratch());
      this.add(0, x, 1, rows, cols, scratch);
      change?.to.add(0, change.by, x, 1, rows, cols, scratch);
    });
    this.count += rows;
    change?.to.seen(rows);
  }

  /**
   * Adds the windows over images x [images, groups * c, h, w], c * kh * kw = cols: every one, or every second, third... along both
   * axes where an image has many times as many as there are columns, or where all images expected have more than plenty.
   */
  addWindows(x: number, images: number, c: number, window: Window, change?: Change): void {
    const { arena, k } = this.wasm;
    const { groups, cols } = this;
    const [h, w] = window.input;
    const [kh, kw] = window.kernel;
    const [dh, dw] = window.dilations;
    const [pt, pl] = window.pads;
    if (images === 0 || sizeOf(window.output) === 0) return;
    // Neighbouring windows of one image are much alike: as many as there are columns tell as much as all.
    const alone = Math.floor(Math.sqrt(sizeOf(window.output) / cols));
    const among = Math.floor(Math.sqrt((sizeOf(window.output) * this.images) / (PLENTY * cols)));
    const step = Math.max(1, alone, Math.min(among, ...window.output));
    // Few of an image start elsewhere in the next one, so that margins count for what they are.
    const few = step > alone && step > 1;
    const [oh, ow] = window.output.map((o) => (few ? Math.floor(o / step) : Math.ceil(o / step))) as [number, number];
    const [sh, sw] = window.strides.map((s) => s * step) as [number, number];
    const places = oh * ow;
    const chunk = Math.max(1, Math.min(images, Math.floor(CHUNK / (cols * places))));
    arena.scope((alloc) => {
      const left = alloc(4 * cols * chunk * places);
      const right = change ? alloc(4 * cols * chunk * places) : 0;
      const scratch = alloc(k.gemm_scratch());
      for (let first = 0; first < images; first += chunk) {
        const count = Math.min(chunk, images - first);
        const width = count * places;
        for (let g = 0; g < groups; g++) {
          const unroll = (from: number, to: number): void => {
            for (let i = 0; i < count; i++) {
              const image = from + 4 * ((first + i) * groups + g) * c * h * w;
              const at = few ? this.seen + first + i : 0;
              const top = pt - (at % step) * window.strides[0]!;
              const side = pl - (Math.floor(at / step) % step) * window.strides[1]!;
              k.im2col(image, c, h, w, kh, kw, sh, sw, top, side, dh, dw, oh, ow, to + 4 * i * places, width);
            }
          };
          unroll(x, left);
          this.add(g, left, 0, width, width, scratch);
          if (!change) continue;
          unroll(change.by, right);
          change.to.add(g, right, left, 0, width, width, scratch);
        }
      }
    });
    this.count += images * places;
    this.seen += images;
    change?.to.seen(images * places);
  }

  /** From now on changes alone are taken in: `read` and `mean` have nothing to say then. */
  withoutProducts(): void {
    this.products = false;
  }

  /** E[x x'] as [groups, cols, cols] on the JavaScript heap; zeros where nothing was seen. */
  read(): Float32Array {
    const { groups, cols, count } = this;
    const gram = this.place.use((at) => this.wasm.arena.f32(at, groups * cols * cols).slice());
    if (count > 0) for (let i = 0; i < gram.length; i++) gram[i] = gram[i]! / count;
    for (let g = 0; g < groups; g++) {
      const own = gram.subarray(g * cols * cols, (g + 1) * cols * cols);
      for (let i = 0; i < cols; i++) for (let j = 0; j < i; j++) own[i * cols + j] = own[j * cols + i]!;
    }
    return gram;
  }

  /** E[x] as [groups * cols]; zeros where nothing was seen. */
  mean(): Float32Array {
    const { groups, cols } = this;
    const mean = this.place.use((at) => this.wasm.arena.f32(at + 4 * groups * cols * cols, groups * cols).slice());
    return this.count > 0 ? mean.map((v) => v / this.count) : mean;
  }

  dispose(): void {
    this.place.dispose();
  }

  /** Adds x' x of `rows` inputs, stored as [rows, cols] with trans 1, as [cols, rows] with 0; rows of storage `ld` apart. */
  private add(g: number, x: number, trans: 0 | 1, rows: number, ld: number, scratch: number): void {
    if (!this.products) return;
    this.place.use((at) => this.addTo(at, g, x, trans, rows, ld, scratch));
  }

  private addTo(at: number, g: number, x: number, trans: 0 | 1, rows: number, ld: number, scratch: number): void {
    const { k } = this.wasm;
    const { cols, groups } = this;
    const to = at + 4 * g * cols * cols;
    const sums = at + 4 * cols * (groups * cols + g);
    this.wasm.arena.scope((alloc) => {
      const ones = alloc(4 * rows);
      this.wasm.arena.f32(ones, rows).fill(1);
      if (trans) k.gemm(0, 0, 1, cols, rows, 1, ones, rows, x, ld, 1, sums, cols, scratch);
      else k.gemm(0, 0, cols, 1, rows, 1, x, ld, ones, 1, 1, sums, 1, scratch);
    });
    for (let j = 0; j < cols; j += PANEL) {
      const m = Math.min(PANEL, cols - j);
      const skip = 4 * j * (trans ? 1 : ld);
      const c = to + 4 * j * (cols + 1);
      k.gemm(trans, 1 - trans, m, cols - j, rows, 1, x + skip, ld, x + skip, ld, 1, c, cols, scratch);
    }
  }
}
