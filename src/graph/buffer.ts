import { ModelError, UnsupportedError } from '../errors.ts';
import { arrayOf, type DType, sizeOf, type Tensor } from '../tensor.ts';
import type { Runtime } from '../ops/op.ts';
import { MAX_RANK } from '../ops/shape.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Derived } from './derived.ts';

/** Bound on one tensor on the JavaScript heap (everything but float), in bytes. */
const HEAP_BYTES = 2 ** 30;

/** A block of wasm memory with a count of those who need it; freed when the last one lets go. */
export class Block {
  #refs = 1;

  constructor(
    readonly wasm: Wasm,
    readonly ptr: number,
  ) {}

  get live(): boolean {
    return this.#refs > 0;
  }

  retain(): void {
    this.#refs++;
  }

  release(): void {
    if (this.#refs <= 0) throw new Error('buffer released more often than retained');
    if (--this.#refs === 0) this.wasm.arena.free(this.ptr);
  }
}

/** A float tensor in wasm memory. */
export class WasmTensor implements Tensor {
  readonly dtype = 'float' as const;
  #view: Float32Array | undefined;

  constructor(
    readonly dims: readonly number[],
    readonly buffer: Block,
  ) {}

  /** The elements where they lie; made anew when the memory has grown. @throws Error after the tensor was freed */
  get data(): Float32Array {
    if (!this.buffer.live) throw new Error(`tensor [${this.dims}] was used after it was freed`);
    const { arena } = this.buffer.wasm;
    if (this.#view?.buffer !== arena.memory.buffer) this.#view = arena.f32(this.buffer.ptr, sizeOf(this.dims));
    return this.#view;
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

/** A copy on the JavaScript heap. */
export function download(t: Tensor): Tensor {
  return { dtype: t.dtype, dims: [...t.dims], data: t.data.slice() };
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

  constructor(
    readonly wasm: Wasm,
    readonly constants?: Derived,
  ) {}

  derived(t: Tensor, key: string, bytes: number, make: (ptr: number) => void): number | undefined {
    return this.constants?.get(t, key, bytes, make);
  }

  empty(dtype: DType, dims: readonly number[]): Tensor {
    checkDims(dtype, dims);
    const n = sizeOf(dims);
    if (dtype === 'float') {
      const buffer = new Block(this.wasm, this.wasm.arena.alloc(4 * n));
      this.#made.push(buffer);
      return new WasmTensor(dims, buffer);
    }
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

  ptr(t: Tensor): number {
    if (t instanceof WasmTensor) return t.buffer.ptr;
    const ptr = this.scratch(t.data.byteLength);
    this.wasm.arena.put(ptr, t.data);
    return ptr;
  }

  view(t: Tensor, dims: readonly number[]): Tensor {
    checkDims(t.dtype, dims);
    if (sizeOf(dims) !== t.data.length)
      throw new ModelError(`shape [${dims}] does not hold the ${t.data.length} elements of [${t.dims}]`);
    if (t instanceof WasmTensor) return new WasmTensor(dims, t.buffer);
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
    if (t instanceof WasmTensor) this.#made.push(t.buffer);
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

  /** Keeps the outputs (each is retained once) and frees the rest of what the node made. */
  end(outputs: readonly Tensor[]): void {
    for (const t of outputs) retain(t);
    for (const b of this.#made) b.release();
    for (const p of this.#scratch) this.wasm.arena.free(p);
    this.#made.length = 0;
    this.#scratch.length = 0;
  }
}
