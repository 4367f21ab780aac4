import { ModelError, UnsupportedError } from '../errors.ts';
import { arrayOf, type DType, sizeOf, type Tensor, type TypedArray } from '../tensor.ts';
import type { CodeType, Runtime } from '../ops/op.ts';
import { PackedTensor } from '../ops/packed.ts';
import { MAX_RANK } from '../ops/shape.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { Block, type Origin } from './block.ts';
import type { Derived, Form } from './derived.ts';
import { PackedWeight } from './packed-weight.ts';
import { Residency } from './residency.ts';

/** Bound on one tensor on the JavaScript heap, in bytes. */
const HEAP_BYTES = 2 ** 30;

/** A tensor in wasm memory. */
export class WasmTensor implements Tensor {
  #view: TypedArray | undefined;

  constructor(
    readonly dims: readonly number[],
    readonly buffer: Block,
    readonly dtype: 'float' | CodeType = 'float',
  ) {}

  /**
   * Of floats the elements where they lie, made anew when the memory has grown, or from where they come while they are not there; of
   * codes a copy on the JavaScript heap, made when it is first asked for. @throws Error after the tensor was freed
   */
  get data(): TypedArray {
    const { buffer } = this;
    const { source, live, resident } = buffer;
    if (this.dtype !== 'float') this.#view ??= this.copy();
    else if (source !== undefined && live && !resident)
      return source((t) => (t instanceof WasmTensor ? t.copy() : t.data));
    else if (!live || this.#view?.buffer !== buffer.wasm.arena.memory.buffer || this.#view.byteOffset !== buffer.ptr)
      this.#view = this.#elements();
    return this.#view!;
  }

  /** The elements, on the JavaScript heap. */
  copy(): TypedArray {
    return this.#elements().slice();
  }

  #elements(): TypedArray {
    if (!this.buffer.live) throw new Error(`tensor [${this.dims}] was used after it was freed`);
    const { arena } = this.buffer.wasm;
    const { ptr } = this.buffer;
    const n = sizeOf(this.dims);
    if (this.dtype === 'float') return arena.f32(ptr, n);
    if (this.dtype === 'int32') return arena.i32(ptr, n);
    return this.dtype === 'uint8' ? arena.u8(ptr, n) : arena.i8(ptr, n);
  }
}

export function retain(t: Tensor): void {
  if (t instanceof WasmTensor) t.buffer.retain();
}

export function release(t: Tensor): void {
  if (t instanceof WasmTensor) t.buffer.release();
}

/** A copy of a float tensor in wasm memory, which the caller must release; any other tensor as it is. */
export function upload(t: Tensor, wasm: Wasm): Tensor {
  if (t.dtype !== 'float' || t instanceof WasmTensor) {
    retain(t);
    return t;
  }
  const ptr = wasm.arena.alloc(4 * t.data.length);
  wasm.arena.put(ptr, t.data);
  return new WasmTensor(t.dims, new Block(wasm, ptr));
}

/** A float tensor whose elements are brought into wasm memory when they are needed, and may be given up in between. */
export function lazy(dims: readonly number[], wasm: Wasm, origin: Origin): WasmTensor {
  return new WasmTensor(dims, new Block(wasm, undefined, origin));
}

/** A copy on the JavaScript heap. */
export function download(t: Tensor): Tensor {
  return { dtype: t.dtype, dims: [...t.dims], data: t instanceof WasmTensor ? t.copy() : t.data.slice() };
}

/** Bound on each dimension, and on the product of those that are not 0: what the kernels' sizes and our loops may reach. */
const MAX_SIZE = 2 ** 31 - 1;

function checkDims(dtype: DType, dims: readonly number[]): void {
  if (dims.length > MAX_RANK) throw new ModelError(`shape of rank ${dims.length}: at most ${MAX_RANK} is supported`);
  let n = 1;
  for (let i = 0; i < dims.length; i++) {
    const d = dims[i]!;
    if (!Number.isSafeInteger(d) || d < 0) throw new ModelError(`${dtype} shape [${dims}]: expected sizes >= 0`);
    if (d > 1) n *= d;
  }
  if (n > MAX_SIZE) throw new ModelError(`${dtype} shape [${dims}]: more than ${MAX_SIZE} elements`);
}

/** What one node sees. `begin` and `end` bracket its run; what it made and did not return is freed at `end`. */
export class NodeRuntime implements Runtime {
  readonly #made: Block[] = [];
  readonly #scratch: number[] = [];
  /** What may be given up at other times, each pinned once. */
  readonly #pinned: (Block | Form | PackedWeight)[] = [];
  readonly #residency: Residency;
  #dying: readonly (Tensor | undefined)[] = [];
  /** Whether an input was given to `over`. */
  wrote = false;

  constructor(
    readonly wasm: Wasm,
    readonly constants?: Derived,
  ) {
    this.#residency = Residency.of(wasm);
  }

  /**
   * Holds the inputs where they are, and brings them there: but for constants of which something was derived, which most likely is
   * all that is needed of them.
   * @param dying inputs that nothing needs after this node: `over` may write to them
   */
  begin(inputs: readonly (Tensor | undefined)[], dying: readonly (Tensor | undefined)[]): void {
    for (const t of inputs) {
      if (t instanceof PackedTensor && t.home instanceof PackedWeight) this.#pin(t.home);
      else if (t instanceof WasmTensor && t.buffer.lazy) {
        this.#pin(t.buffer);
        if (!t.buffer.resident && !this.constants?.has(t.buffer)) t.buffer.load();
      }
    }
    this.#dying = dying;
    this.wrote = false;
  }

  readonly #pin = (e: Block | Form | PackedWeight): void => {
    if (this.#pinned.includes(e)) return;
    this.#pinned.push(e);
    e.pin(++this.#residency.now);
  };

  over(x: Tensor): Tensor {
    if (!(x instanceof WasmTensor && x.dtype === 'float' && x.buffer.own && this.#dying.includes(x)))
      return this.empty('float', x.dims);
    this.wrote = true;
    x.buffer.retain();
    this.#made.push(x.buffer);
    return new WasmTensor(x.dims, x.buffer);
  }

  constant(t: Tensor): boolean {
    return this.constants?.knows(t) ?? false;
  }

  derived(t: Tensor, key: string, bytes: number, make: (ptr: number) => void): number | undefined {
    return this.constants?.get(t, key, bytes, make, this.#pin);
  }

  empty(dtype: DType, dims: readonly number[]): Tensor {
    checkDims(dtype, dims);
    const n = sizeOf(dims);
    if (dtype === 'float') return this.#held(dtype, dims, 4 * n);
    const type = arrayOf(dtype);
    if (n * type.BYTES_PER_ELEMENT > HEAP_BYTES)
      throw new ModelError(`${dtype} shape [${dims}]: ${n} elements are more than the ${HEAP_BYTES} bytes allowed`);
    try {
      return { dtype, dims, data: new type(n) };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UnsupportedError(`${dtype} shape [${dims}]: not enough memory for ${n} elements`, { cause: error });
    }
  }

  codes(dtype: CodeType, dims: readonly number[]): Tensor {
    checkDims(dtype, dims);
    return this.#held(dtype, dims, arrayOf(dtype).BYTES_PER_ELEMENT * sizeOf(dims));
  }

  #held(dtype: 'float' | CodeType, dims: readonly number[], bytes: number): Tensor {
    const buffer = new Block(this.wasm, this.wasm.arena.alloc(bytes));
    this.#made.push(buffer);
    return new WasmTensor(dims, buffer, dtype);
  }

  ptr(t: Tensor): number {
    if (t instanceof WasmTensor) return t.buffer.ptr;
    const ptr = this.scratch(t.data.byteLength);
    this.wasm.arena.put(ptr, t.data);
    return ptr;
  }

  view(t: Tensor, dims: readonly number[]): Tensor {
    checkDims(t.dtype, dims);
    const n = sizeOf(t.dims);
    if (sizeOf(dims) !== n) throw new ModelError(`shape [${dims}] does not hold the ${n} elements of [${t.dims}]`);
    if (t instanceof WasmTensor) return new WasmTensor(dims, t.buffer, t.dtype);
    return { dtype: t.dtype, dims, data: t.data };
  }

  scratch(bytes: number): number {
    if (!Number.isSafeInteger(bytes)) throw new ModelError(`scratch of ${bytes} bytes is beyond any memory`);
    const ptr = this.wasm.arena.alloc(bytes);
    this.#scratch.push(ptr);
    return ptr;
  }

  /** A tensor retained for this node: released at `end`. */
  adopt(t: Tensor): void {
    if (!(t instanceof WasmTensor)) return;
    this.#made.push(t.buffer);
    if (t.buffer.lazy) this.#pin(t.buffer);
  }

  drop(tensors: readonly (Tensor | undefined)[]): void {
    for (const t of tensors) {
      if (!(t instanceof WasmTensor)) continue;
      const at = this.#made.lastIndexOf(t.buffer);
      if (at < 0) throw new Error(`drop: tensor [${t.dims}] was not made by this node`);
      this.#made.splice(at, 1);
      t.buffer.release();
    }
  }

  /** Frees the scratch. */
  tidy(): void {
    for (const p of this.#scratch) this.wasm.arena.free(p);
    this.#scratch.length = 0;
  }

  /** Keeps the outputs (each is retained once) and frees the rest of what the node made. */
  end(outputs: readonly Tensor[]): void {
    for (const t of outputs) retain(t);
    for (const b of this.#made) b.release();
    this.#made.length = 0;
    this.tidy();
    for (const e of this.#pinned) {
      e.unpin();
      // Nodes that read the constant have what they need in another form.
      if (e instanceof Block && !e.asked && e.resident && !e.wanted && this.constants?.has(e)) e.evict();
    }
    this.#pinned.length = 0;
    this.#dying = [];
  }
}
