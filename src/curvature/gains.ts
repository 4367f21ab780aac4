import type { LayerCalibration } from '../calibrate/calibrate.ts';
import type { Call } from '../gradient/gradient.ts';
import { response } from '../gradient/response.ts';
import { lazy, release } from '../graph/buffer.ts';
import { Residency } from '../graph/residency.ts';
import type { Layer } from '../graph/layers.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** Look-ups of a table's mean row that stand behind each row's own: rows seen rarely are told little by what was seen. */
const PRIOR_LOOKUPS = 8;

/**
 * Sums over samples for one layer, from gradients g at the layer's output that random projections of the network's outputs gave and
 * from what a typical error dW of the weight, that of a reference width, does there:
 *
 * - of each row, g^2 at every place, weighted by the energy |dW x|^2 of the error there: how much the row's squared error counts.
 *   Without the weights error and gradient would have to be independent, which they are not: a sample that the network is
 *   sure of has large inputs and no gradient;
 * - of all rows, (g . dw x)^2 of every sample: how much those errors count in truth, with what they do to each other at different
 *   places. It sets the level of the layer's gains. (What the errors of different rows do to each other is one error's doing.)
 */
export class LayerGains {
  readonly #channels: number;
  /** f64 [channels + 1], as `weighted_squares` adds to it. */
  readonly #squares: number;
  #places = 0;
  readonly #lookedUp: Float64Array;
  readonly #lookups: Float64Array;
  readonly #error: Tensor;
  /** g . dw x, [samples, channels], of this batch, through all nodes so far. */
  #changes: Float64Array | undefined;
  #seen = 0;

  /** @param error dW, in the weight's own shape */
  constructor(
    private readonly wasm: Wasm,
    private readonly layer: Layer,
    error: Tensor,
  ) {
    // The row axis of a transposed convolution counts the channels of one group.
    this.#channels = layer.rows * (layer.opType === 'ConvTranspose' ? layer.groups : 1);
    this.#lookedUp = new Float64Array(layer.rows);
    this.#lookups = new Float64Array(layer.rows);
    this.#error = lazy(error.dims, wasm, { source: (use) => use(error), owner: Residency.of(wasm) });
    this.#squares = wasm.arena.alloc(8 * (this.#channels + 1));
    wasm.arena.f64(this.#squares, this.#channels + 1).fill(0);
  }

  dispose(): void {
    this.wasm.arena.free(this.#squares);
    release(this.#error);
  }

  visit(call: Call, samples: number): void {
    const dy = call.dy[0]!;
    // Stretches of the first axis are samples where the batch divides it. Where it does not, all is one: the projections of samples
    // are independent, so what they add up to has the same mean square.
    const parts = samples > 0 && (dy.dims[0] ?? 0) % samples === 0 ? samples : 1;
    const table = call.node.opType === 'Gather';
    response(this.wasm, call, table ? 0 : 1, this.#error, (change) => {
      if (table) this.#addLookups(call.inputs[1]!, dy, change, parts);
      else this.#addPlaces(dy, change, parts, call.node.opType.startsWith('Conv') ? sizeOf(dy.dims.slice(2)) : 1);
    });
    if (this.layer.nodes.length === 1) this.endBatch();
  }

  /** A weight that several nodes use changes a sample through all of them: its changes are squared when the batch is done. */
  endBatch(): void {
    for (const s of this.#changes ?? []) this.#seen += s * s;
    this.#changes = undefined;
  }

  #addPlaces(dy: Tensor, change: Tensor, parts: number, inner: number): void {
    const channels = this.#channels;
    const size = channels * inner;
    if (size === 0 || dy.data.length === 0) return;
    const blocks = dy.data.length / size;
    const [g, r] = [addressOf(dy), addressOf(change)];
    const { k, arena } = this.wasm;
    arena.scope((alloc) => {
      k.weighted_squares(g, r, blocks, channels, inner, alloc(4 * inner), this.#squares);
      const out = alloc(8 * parts * channels);
      const dots = arena.f64(out, parts * channels);
      dots.fill(0);
      k.channel_dots(g, r, parts, blocks / parts, channels, inner, out);
      const before = this.#changes;
      this.#changes = dots.map((s, i) => s + (before?.[i] ?? 0));
    });
    this.#places += blocks * inner;
  }

  #addLookups(indices: Tensor, dy: Tensor, change: Tensor, parts: number): void {
    const { k, arena } = this.wasm;
    const { rows, cols } = this.layer;
    const n = indices.data.length;
    const [g, r] = [addressOf(dy), addressOf(change)];
    arena.scope((alloc) => {
      const out = alloc(8 * n);
      arena.f64(out, n).fill(0);
      k.channel_dots(g, g, n, 1, 1, cols, out);
      const squares = arena.f64(out, n).slice();
      arena.f64(out, n).fill(0);
      k.channel_dots(g, r, n, 1, 1, cols, out);
      const dots = arena.f64(out, n);
      for (let from = 0; from < n; from += n / parts) {
        const sample = new Map<number, number>();
        for (let i = from; i < from + n / parts; i++) {
          const index = Number(indices.data[i]);
          const row = index < 0 ? index + rows : index;
          this.#lookedUp[row] = this.#lookedUp[row]! + squares[i]! / cols;
          this.#lookups[row] = this.#lookups[row]! + 1;
          sample.set(row, (sample.get(row) ?? 0) + dots[i]!);
        }
        for (const s of sample.values()) this.#seen += s * s;
      }
    });
  }

  /**
   * Gains such that half the mean over samples of the rows' squared projections is the sum over rows of gain times the row's local
   * error, for the reference error exactly.
   * @param errors local errors of the rows of the reference error (`localErrorRows`)
   * @param inputSquare E[x^2], used where there is no E[x x']
   */
  read(samples: number, errors: Float64Array, found: LayerCalibration | undefined, inputSquare: number): Float64Array {
    const { rows } = this.layer;
    const gains = new Float64Array(rows);
    const sums = this.wasm.arena.f64(this.#squares, this.#channels + 1);
    const energy = sums[this.#channels]! / Math.max(1, this.#places);
    // A row's error is dw H dw' where H is known, and |dw|^2 where not: then what it meets has this mean square.
    const met = found?.gram ? 1 : inputSquare;
    if (energy > 0)
      for (let c = 0; c < this.#channels; c++) gains[c % rows] = gains[c % rows]! + (sums[c]! / energy) * met;
    this.#addTable(gains, found);
    let predicted = 0;
    for (let r = 0; r < rows; r++) {
      gains[r] = gains[r]! / (2 * samples);
      predicted += gains[r]! * errors[r]!;
    }
    const factor = this.#seen / (2 * samples) / predicted;
    if (Number.isFinite(factor) && factor > 0) for (let r = 0; r < rows; r++) gains[r] = gains[r]! * factor;
    return gains;
  }

  /** A table's row counts by its share of the look-ups; as a matrix too, by the mean square of that matrix's inputs. */
  #addTable(gains: Float64Array, found: LayerCalibration | undefined): void {
    const { rows, cols, groups } = this.layer;
    let total = 0;
    let squares = 0;
    for (let r = 0; r < rows; r++) {
      total += this.#lookups[r]!;
      squares += this.#lookedUp[r]!;
    }
    if (total === 0) return;
    const mean = squares / total;
    const square = found?.gram ? traceOf(found.gram, cols) / (groups * cols) : 1;
    for (let r = 0; r < rows; r++) {
      const seen = this.#lookups[r]!;
      const each = (this.#lookedUp[r]! + PRIOR_LOOKUPS * mean) / (seen + PRIOR_LOOKUPS);
      if (found?.gram) gains[r] = gains[r]! + (square > 0 ? (each * seen) / square : 0);
      else gains[r] = gains[r]! + each * total;
    }
  }
}

function traceOf(gram: Float32Array, cols: number): number {
  let trace = 0;
  for (let g = 0; g < gram.length; g += cols * cols) for (let i = 0; i < cols; i++) trace += gram[g + i * cols + i]!;
  return trace;
}

/** Address of a tensor in wasm memory. */
function addressOf(t: Tensor): number {
  return (t.data as Float32Array).byteOffset;
}
