import { MemoryError } from '../errors.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { WasmTensor } from './buffer.ts';
import { type Evictable, Residency } from './residency.ts';

/** Room for what is derived from a session's constants, in bytes, unless told. */
const MOST_BYTES = 2 ** 30;

/** Something derived, which may be given up while no node uses it. */
export class Form implements Evictable {
  used = 0;
  #pins = 0;

  constructor(
    readonly owner: object,
    readonly ptr: number,
    readonly bytes: number,
    private readonly forget: () => void,
  ) {}

  get pinned(): boolean {
    return this.#pins > 0;
  }

  get wanted(): boolean {
    return this.pinned;
  }

  pin(now: number): void {
    this.used = now;
    this.#pins++;
  }

  unpin(): void {
    this.#pins--;
  }

  evict(): void {
    this.forget();
  }
}

/** What operators made of constants, in wasm memory, once each: packed weights, transformed filters, sums. */
export class Derived {
  /** By where a constant's elements lie: views of one constant share what is made of it. */
  readonly #constants = new Map<object, Map<string, Form>>();
  readonly #residency: Residency;
  #bytes = 0;
  /** Bytes of the largest constant. */
  largest = 0;

  /** @param owner what runs when it is used */
  constructor(
    readonly wasm: Wasm,
    readonly most: number = MOST_BYTES,
    readonly owner: object = {},
  ) {
    this.#residency = Residency.of(wasm);
  }

  /** Says that the elements of a tensor will not change as long as this lives. */
  add(t: Tensor): void {
    if (!this.#constants.has(home(t))) this.#constants.set(home(t), new Map());
    if (t.dtype === 'float') this.largest = Math.max(this.largest, 4 * sizeOf(t.dims));
  }

  /** Whether it is one of the constants. */
  knows(t: Tensor): boolean {
    return this.#constants.has(home(t));
  }

  /** Whether something made of the constant is there. */
  has(t: object): boolean {
    return (this.#constants.get(t)?.size ?? 0) > 0;
  }

  /**
   * Address of the bytes that `make` wrote for this constant under this key, made at the first call, and again where they had to
   * be given up since; undefined for a tensor that is not a constant, and when there is no room for more.
   * @param pin keeps what is returned until it is unpinned
   */
  get(
    t: Tensor,
    key: string,
    bytes: number,
    make: (ptr: number) => void,
    pin?: (form: Form) => void,
  ): number | undefined {
    const made = this.#constants.get(home(t));
    if (made === undefined) return undefined;
    const form = made.get(key) ?? this.#made(t, made, key, bytes, make);
    if (form === undefined) return undefined;
    pin?.(form);
    return form.ptr;
  }

  #made(t: Tensor, made: Map<string, Form>, key: string, bytes: number, make: (ptr: number) => void): Form | undefined {
    if (this.#bytes + bytes > this.most) return undefined;
    const { arena } = this.wasm;
    const asked = t instanceof WasmTensor && t.buffer.asked;
    let ptr: number;
    try {
      ptr = arena.alloc(bytes, true);
    } catch (error) {
      // Operators have a way without.
      if (error instanceof MemoryError) return undefined;
      throw error;
    }
    try {
      make(ptr);
    } catch (error) {
      arena.free(ptr);
      throw error;
    }
    // Whoever has what is made of a constant may not need the constant.
    if (t instanceof WasmTensor) t.buffer.asked = asked;
    const form = new Form(this.owner, ptr, bytes, () => {
      made.delete(key);
      this.#free(form);
    });
    this.#bytes += bytes;
    made.set(key, form);
    this.#residency.add(form);
    return form;
  }

  /** Frees everything. */
  clear(): void {
    for (const made of this.#constants.values()) for (const form of made.values()) this.#free(form);
    this.#constants.clear();
  }

  #free(form: Form): void {
    this.#bytes -= form.bytes;
    this.#residency.drop(form);
    this.wasm.arena.free(form.ptr);
  }
}

function home(t: Tensor): object {
  return t instanceof WasmTensor ? t.buffer : t.data;
}
