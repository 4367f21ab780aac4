import type { Wasm } from '../wasm/wasm.ts';
import { type Evictable, Residency } from './residency.ts';

/** Bytes in wasm memory, zeros at first, that are kept on the JavaScript heap while there is no room for them. */
export class Spill implements Evictable {
  used = 0;
  #ptr: number | undefined;
  #heap: Uint8Array | undefined;
  #pins = 0;
  readonly #residency: Residency;

  constructor(
    private readonly wasm: Wasm,
    readonly bytes: number,
  ) {
    this.#residency = Residency.of(wasm);
  }

  get owner(): object {
    return this.#residency;
  }

  get pinned(): boolean {
    return this.#pins > 0;
  }

  get wanted(): boolean {
    return this.pinned;
  }

  /** Runs `body` on its address, good until that ends. */
  use<T>(body: (ptr: number) => T): T {
    this.#pins++;
    try {
      return body(this.#load());
    } finally {
      this.#pins--;
    }
  }

  evict(): void {
    this.#heap = this.wasm.arena.u8(this.#ptr!, this.bytes).slice();
    this.#free();
  }

  /** Forgets the bytes. */
  dispose(): void {
    this.#heap = undefined;
    if (this.#ptr !== undefined) this.#free();
  }

  #load(): number {
    const { arena } = this.wasm;
    if (this.#ptr === undefined) {
      this.#ptr = arena.alloc(this.bytes, true);
      if (this.#heap === undefined) arena.u8(this.#ptr, this.bytes).fill(0);
      else arena.put(this.#ptr, this.#heap);
      this.#heap = undefined;
    }
    this.#residency.add(this);
    return this.#ptr;
  }

  #free(): void {
    this.#residency.drop(this);
    this.wasm.arena.free(this.#ptr!);
    this.#ptr = undefined;
  }
}
