import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { WasmTensor } from './buffer.ts';

/** Room for what is derived from a session's constants, in bytes, unless told. */
const MOST_BYTES = 2 ** 30;

/** What operators made of constants, in wasm memory, once each: packed weights, transformed filters, sums. */
export class Derived {
  /** By where a constant's elements lie: views of one constant share what is made of it. */
  readonly #constants = new Map<object, Map<string, number>>();
  #bytes = 0;

  constructor(
    readonly wasm: Wasm,
    readonly most: number = MOST_BYTES,
  ) {}

  /** Says that the elements of a tensor will not change as long as this lives. */
  add(t: Tensor): void {
    if (!this.#constants.has(home(t))) this.#constants.set(home(t), new Map());
  }

  /**
   * Address of the bytes that `make` wrote for this constant under this key, made at the first call; undefined for a tensor
   * that is not a constant, and when there is no room for more.
   */
  get(t: Tensor, key: string, bytes: number, make: (ptr: number) => void): number | undefined {
    const made = this.#constants.get(home(t));
    if (made === undefined) return undefined;
    const known = made.get(key);
    if (known !== undefined) return known;
    if (this.#bytes + bytes > this.most) return undefined;
    const { arena } = this.wasm;
    const ptr = arena.alloc(bytes);
    try {
      make(ptr);
    } catch (error) {
      arena.free(ptr);
      throw error;
    }
    this.#bytes += bytes;
    made.set(key, ptr);
    return ptr;
  }

  /** Frees everything. */
  clear(): void {
    for (const made of this.#constants.values()) for (const ptr of made.values()) this.wasm.arena.free(ptr);
    this.#constants.clear();
    this.#bytes = 0;
  }
}

function home(t: Tensor): object {
  return t instanceof WasmTensor ? t.buffer : t.data;
}
