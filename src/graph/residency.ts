import type { Wasm } from '../wasm/wasm.ts';

/** Something in wasm memory that can be made again: constants, and what was made of them. */
export interface Evictable {
  /** Whose it is: what belongs to none that runs is given up first. The Residency's own counts as running. */
  readonly owner: object;
  /** Whether a node that is being run may ask for it. */
  readonly wanted: boolean;
  /** Whether one has its address. */
  readonly pinned: boolean;
  /** When it was used, by `Residency.now`. */
  used: number;
  /** Frees its memory, and tells `Residency.drop`. */
  evict(): void;
}

const known = new WeakMap<Wasm, Residency>();

/**
 * What could be given up in one wasm memory, all sessions' together. When an allocation finds no room, one thing after another is
 * freed until it does; each is made again when it is next needed, so that results do not depend on how much memory there is.
 */
export class Residency {
  /** Counts uses. */
  now = 0;
  readonly #held = new Set<Evictable>();
  readonly #running = new Map<object, number>();

  static of(wasm: Wasm): Residency {
    const before = known.get(wasm);
    if (before !== undefined) return before;
    const made = new Residency();
    known.set(wasm, made);
    wasm.arena.onShort = () => made.#reclaim();
    return made;
  }

  /** Says that something is there, and that it is used now. */
  add(e: Evictable): void {
    e.used = ++this.now;
    this.#held.add(e);
  }

  /** Says that something is no longer there. */
  drop(e: Evictable): void {
    this.#held.delete(e);
  }

  enter(owner: object): void {
    this.#running.set(owner, (this.#running.get(owner) ?? 0) + 1);
  }

  leave(owner: object): void {
    const n = this.#running.get(owner)! - 1;
    if (n === 0) this.#running.delete(owner);
    else this.#running.set(owner, n);
  }

  /** Gives up all that is an owner's and not in use. */
  evictAll(owner: object): void {
    for (const e of [...this.#held]) if (e.owner === owner && !e.wanted && !e.pinned) e.evict();
  }

  /** Gives up all whose address nobody has. @returns whether there was anything */
  evictIdle(): boolean {
    const idle = [...this.#held].filter((e) => !e.pinned);
    for (const e of idle) e.evict();
    return idle.length > 0;
  }

  /**
   * Gives up one thing. Of those whose owner does not run the one that was used the longest ago; then, since runs go through the
   * layers in the same order again and again, the one used last: it is needed again the latest. What a node may ask for comes after
   * all else.
   */
  #reclaim(): boolean {
    let idle: Evictable | undefined;
    let last: Evictable | undefined;
    let wanted: Evictable | undefined;
    for (const e of this.#held) {
      if (e.pinned) continue;
      if (e.wanted) wanted = e;
      else if (e.owner !== this && !this.#running.has(e.owner)) idle = idle && idle.used < e.used ? idle : e;
      else last = last && last.used > e.used ? last : e;
    }
    const given = idle ?? last ?? wanted;
    given?.evict();
    return given !== undefined;
  }
}
