import { MemoryError } from '../errors.ts';
import type { TypedArray } from '../tensor.ts';

export const PAGE = 65536;
/** What a 32-bit address reaches. */
export const ADDRESSABLE = 65536 * PAGE;
/** What a 32-bit address reaches, in pages. */
export const PAGES = ADDRESSABLE / PAGE;
/** Pages the memory starts with: enough for the module's static data. */
export const INITIAL_PAGES = 16;
const ALIGNMENT = 16;

/** A free stretch of memory: [ptr, ptr + size). */
interface Span {
  ptr: number;
  size: number;
}

/**
 * Hands out the memory of the kernels above their own static data. First fit over a list of free spans kept in address
 * order, neighbours joined on `free`; nothing is ever moved.
 *
 * Views (`f32`, `u8`, ...) are windows, not copies: any `alloc` may grow the memory, which detaches every view made before it
 * (unless the memory is shared with threads: such views stay, over a SharedArrayBuffer).
 */
export class Arena {
  /** Free spans below `#top`: ascending, never touching each other. */
  readonly #free: Span[] = [];
  readonly #live = new Map<number, number>();
  readonly #base: number;
  readonly #limit: number;
  /** Memory at and above this address has never been handed out, or was given back. */
  #top: number;
  #used = 0;
  #peak = 0;
  /** Whether all that the memory may grow to is there, so that blocks can be taken from its end. */
  #whole = false;
  /** Asked when there is no room left: frees something and returns true, or false where there is nothing to free. */
  onShort: (() => boolean) | undefined;

  /**
   * @param memory the kernels' memory
   * @param base first byte the arena may use (the module's `__heap_base`)
   * @param maxBytes largest size the memory may grow to, at most 4 GiB
   * @throws RangeError when maxBytes is not a number of bytes above `base`
   */
  constructor(
    readonly memory: WebAssembly.Memory,
    base: number,
    maxBytes: number = ADDRESSABLE,
  ) {
    if (!(maxBytes > base) || maxBytes > ADDRESSABLE) {
      throw new RangeError(`maxBytes: expected a number in (${base}, ${ADDRESSABLE}], found ${maxBytes}`);
    }
    this.#base = align(base);
    this.#top = this.#base;
    this.#limit = Math.floor(maxBytes);
  }

  /** Bytes handed out now, each block rounded up to 16. */
  get used(): number {
    return this.#used;
  }

  /** Largest size the memory may grow to, in bytes. */
  get limit(): number {
    return this.#limit;
  }

  /** Largest `used` so far. */
  get peak(): number {
    return this.#peak;
  }

  /**
   * A block of that many bytes at a multiple of 16; its contents are undefined. A block of 0 bytes still has its own address.
   * @param high for what stays longer than the values of a run: where the memory has a limit it is taken from the end, so that holes
   *   left by the one and the other do not lie between each other
   * @throws RangeError when bytes is not a whole number >= 0
   * @throws MemoryError when the memory cannot grow far enough
   */
  alloc(bytes: number, high = false): number {
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new RangeError(`arena.alloc: expected a whole number of bytes >= 0, found ${bytes}`);
    }
    const size = Math.max(align(bytes), ALIGNMENT);
    if (high && !this.#whole && this.#limit < ADDRESSABLE) this.#reserve();
    const last = high && this.#whole;
    let ptr = this.#take(size, last);
    while (ptr === undefined) {
      if (size > this.#limit || !this.onShort?.()) throw this.#shortage(bytes, size);
      ptr = this.#take(size, last);
    }
    this.#live.set(ptr, size);
    this.#used += size;
    if (this.#used > this.#peak) this.#peak = this.#used;
    return ptr;
  }

  /**
   * Gives a block back.
   * @throws RangeError for an address that `alloc` did not return, or that was freed already
   */
  free(ptr: number): void {
    const size = this.#live.get(ptr);
    if (size === undefined)
      throw new RangeError(`arena.free: expected the address of an allocated block, found ${ptr}`);
    this.#live.delete(ptr);
    this.#used -= size;
    this.#insert(ptr, size);
  }

  /**
   * Runs `body` with an allocator whose blocks are all freed when it ends or throws; they must not be freed by hand.
   * `body` must be synchronous.
   */
  scope<T>(body: (alloc: (bytes: number) => number) => T): T {
    const blocks: number[] = [];
    try {
      return body((bytes) => {
        const ptr = this.alloc(bytes);
        blocks.push(ptr);
        return ptr;
      });
    } finally {
      for (let i = blocks.length - 1; i >= 0; i--) this.free(blocks[i]!);
    }
  }

  /** View of n floats at ptr, valid until the next `alloc`. The other views alike. */
  f32(ptr: number, n: number): Float32Array {
    return new Float32Array(this.memory.buffer, ptr, n);
  }
  f64(ptr: number, n: number): Float64Array {
    return new Float64Array(this.memory.buffer, ptr, n);
  }
  u8(ptr: number, n: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, ptr, n);
  }
  i8(ptr: number, n: number): Int8Array {
    return new Int8Array(this.memory.buffer, ptr, n);
  }
  u16(ptr: number, n: number): Uint16Array {
    return new Uint16Array(this.memory.buffer, ptr, n);
  }
  i16(ptr: number, n: number): Int16Array {
    return new Int16Array(this.memory.buffer, ptr, n);
  }
  i32(ptr: number, n: number): Int32Array {
    return new Int32Array(this.memory.buffer, ptr, n);
  }
  u32(ptr: number, n: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, ptr, n);
  }

  /** Copies the bytes of `data` to ptr. */
  put(ptr: number, data: TypedArray): void {
    this.u8(ptr, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  /** Copies bytes from one place to another; they may overlap. */
  copy(to: number, from: number, bytes: number): void {
    new Uint8Array(this.memory.buffer).copyWithin(to, from, from + bytes);
  }

  #take(size: number, last: boolean): number | undefined {
    return last ? this.#takeLast(size) : (this.#takeFree(size) ?? this.#takeTop(size));
  }

  #takeFree(size: number): number | undefined {
    const free = this.#free;
    for (let i = 0; i < free.length; i++) {
      const span = free[i]!;
      if (span.size < size) continue;
      const ptr = span.ptr;
      if (span.size === size) free.splice(i, 1);
      else {
        span.ptr += size;
        span.size -= size;
      }
      return ptr;
    }
    return undefined;
  }

  /** From the end of the last free span that is large enough. */
  #takeLast(size: number): number | undefined {
    const free = this.#free;
    for (let i = free.length - 1; i >= 0; i--) {
      const span = free[i]!;
      if (span.size < size) continue;
      span.size -= size;
      if (span.size === 0) free.splice(i, 1);
      return span.ptr + span.size;
    }
    return undefined;
  }

  /** Grows to the limit; pages that are never written to take no memory. */
  #reserve(): void {
    const end = Math.floor(this.#limit / PAGE) * PAGE;
    const have = this.memory.buffer.byteLength;
    if (end <= this.#top || (end > have && !this.#grow(end, have))) return;
    this.#whole = true;
    const from = this.#top;
    this.#top = end;
    this.#insert(from, end - from);
  }

  #takeTop(size: number): number | undefined {
    const ptr = this.#top;
    const end = ptr + size;
    const have = this.memory.buffer.byteLength;
    if (end > have && !this.#grow(end, have)) return undefined;
    this.#top = end;
    return ptr;
  }

  /** Grows by a quarter at least, so that many small blocks do not mean many grows; by just enough where that is refused. */
  #grow(end: number, have: number): boolean {
    const need = Math.ceil((end - have) / PAGE);
    const room = Math.floor((this.#limit - have) / PAGE);
    for (const pages of new Set([Math.min(Math.max(need, Math.ceil(have / PAGE / 4)), room), need])) {
      if (pages < need || pages > room) continue;
      try {
        this.memory.grow(pages);
        return true;
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    }
    return false;
  }

  #shortage(asked: number, size: number): MemoryError {
    const have = this.memory.buffer.byteLength;
    const needed = this.#base + this.#used + size;
    const use = `${this.#used} in use, ${have} of at most ${this.#limit} reserved`;
    const advice = `${needed} or more would be needed here: use a smaller batch or raise the limit (--max-memory, maxBytes)`;
    const message = `wasm memory: cannot allocate ${asked} bytes: ${use}; ${advice}`;
    return new MemoryError(message, needed, this.#limit < ADDRESSABLE);
  }

  #insert(ptr: number, size: number): void {
    const free = this.#free;
    let lo = 0;
    let hi = free.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (free[mid]!.ptr < ptr) lo = mid + 1;
      else hi = mid;
    }
    const before = free[lo - 1];
    const after = free[lo];
    let span: Span = { ptr, size };
    if (before !== undefined && before.ptr + before.size === ptr) {
      before.size += size;
      span = before;
    } else {
      free.splice(lo, 0, span);
      lo++;
    }
    if (after !== undefined && span.ptr + span.size === after.ptr) {
      span.size += after.size;
      free.splice(lo, 1);
    }
    if (span.ptr + span.size === this.#top && !this.#whole) {
      this.#top = span.ptr;
      free.pop();
    }
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
