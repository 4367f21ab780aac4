import type { Tensor, TypedArray } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { type Evictable, Residency } from './residency.ts';

/** Hands the elements of a float tensor to `use`, the same at every call; they are valid during the call. */
export type Source = <T>(use: (t: Tensor) => T) => T;

/** Where the elements come from again, and whose they are. */
export interface Origin {
  readonly source: Source;
  readonly owner: object;
  /** The same elements where they lie as bytes already. */
  readonly bytes?: (() => Uint8Array | undefined) | undefined;
}

/**
 * A block of wasm memory with a count of those who need it; freed when the last one lets go. One with a source may be given up
 * meanwhile, unless it is pinned, and is filled again when its address is asked for.
 */
export class Block implements Evictable {
  #refs = 1;
  #pins = 0;
  #ptr: number | undefined;
  #origin: Origin | undefined;
  /** Whether its address was asked for since it was last pinned. */
  asked = false;
  used = 0;

  constructor(
    readonly wasm: Wasm,
    ptr: number | undefined,
    origin?: Origin,
  ) {
    this.#ptr = ptr;
    this.#origin = origin;
  }

  get live(): boolean {
    return this.#refs > 0;
  }

  /** Whether nobody but one needs it, who is free to write to it. */
  get own(): boolean {
    return this.#refs === 1 && this.#origin === undefined;
  }

  get owner(): object {
    return this.#origin?.owner ?? this;
  }

  get wanted(): boolean {
    return this.#pins > 0;
  }

  get pinned(): boolean {
    return this.wanted && this.asked;
  }

  /** Whether its elements are in wasm memory now. */
  get resident(): boolean {
    return this.#ptr !== undefined;
  }

  /** Whether its elements can be had again. */
  get lazy(): boolean {
    return this.#origin !== undefined;
  }

  get source(): Source | undefined {
    return this.#origin?.source;
  }

  /** Its address: good as long as it is wanted, or, without a source, as it lives. */
  get ptr(): number {
    this.asked = true;
    return this.#ptr ?? this.load();
  }

  /** Brings the elements into wasm memory where they are not. */
  load(): number {
    if (this.#ptr !== undefined) return this.#ptr;
    const { wasm } = this;
    if (this.#origin === undefined || !this.live) throw new Error('a block was used after it was freed');
    const put = (data: TypedArray) => {
      const ptr = wasm.arena.alloc(data.byteLength, true);
      wasm.arena.put(ptr, data);
      return ptr;
    };
    const bytes = this.#origin.bytes?.();
    this.#ptr = bytes === undefined ? this.#origin.source((t) => put(t.data)) : put(bytes);
    Residency.of(wasm).add(this);
    return this.#ptr;
  }

  /** Lets the elements be given up: they can be had again from there. */
  from(origin: Origin): void {
    this.#origin = origin;
    if (this.resident) Residency.of(this.wasm).add(this);
  }

  /** Keeps it, from when its address is asked for, where it is then until `unpin`. */
  pin(now: number): void {
    if (this.#pins++ === 0) this.asked = false;
    this.used = now;
  }

  unpin(): void {
    this.#pins--;
  }

  evict(): void {
    if (this.#origin === undefined || this.pinned) throw new Error('a block that is in use cannot be given up');
    this.#free();
  }

  retain(): void {
    this.#refs++;
  }

  release(): void {
    if (this.#refs <= 0) throw new Error('buffer released more often than retained');
    if (--this.#refs === 0) this.#free();
  }

  #free(): void {
    const ptr = this.#ptr;
    this.#ptr = undefined;
    if (this.#origin !== undefined) Residency.of(this.wasm).drop(this);
    if (ptr !== undefined) this.wasm.arena.free(ptr);
  }
}
