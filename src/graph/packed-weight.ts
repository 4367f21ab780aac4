import type { Kept, PackedHome, PackedMatrix } from '../ops/packed.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { type Evictable, Residency } from './residency.ts';

/** A weight kept in codes, which may be given up and packed again. */
export class PackedWeight implements Evictable, PackedHome {
  #kept: Kept | undefined;
  used = 0;
  #pins = 0;

  /** @param again packs it once more, the same */
  constructor(
    private readonly wasm: Wasm,
    readonly owner: object,
    kept: Kept,
    private readonly again: () => Kept,
  ) {
    this.#kept = kept;
    Residency.of(wasm).add(this);
  }

  /** Its codes where they lie: good as long as it is pinned. */
  get matrix(): PackedMatrix {
    if (this.#kept === undefined) {
      this.#kept = this.again();
      Residency.of(this.wasm).add(this);
    }
    return this.#kept.matrix;
  }

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
    this.#kept?.free();
    this.#kept = undefined;
    Residency.of(this.wasm).drop(this);
  }
}
