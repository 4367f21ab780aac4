import { instantiate } from '@assemblyscript/loader';
import { ADDRESSABLE, Arena, INITIAL_PAGES } from './arena.ts';
import { type KernelCall, KernelError } from './calls.ts';
import { type Build, isModule, supportsThreads } from './features.ts';
import type { Kernels } from './kernels.ts';
import type { Pool } from './pool.ts';
import type { Spawn } from './worker.ts';

/** Most threads one engine may have. */
export const MAX_THREADS = 64;

/** How the kernels are run: memory and threads. */
export interface WasmOptions {
  /**
   * Largest size the memory may grow to, in bytes; 4 GiB unless told. Weights that do not fit are streamed: brought in for the nodes
   * that read them, in every run, with the same results.
   */
  readonly maxBytes?: number | undefined;
  /**
   * Threads the kernels' work is spread over, 1 to 64; 1 unless told. Results are the same for any number. Where there can be no
   * others (no SharedArrayBuffer, a page that is not cross-origin isolated, no workers) it stays one: `wasm.threads` says what there is.
   */
  readonly threads?: number | undefined;
  /** How a worker is started; browsers' own workers unless told. */
  readonly spawn?: Spawn | undefined;
}

/**
 * The kernels, and the memory they work in. Calls are synchronous and, with several threads, wait for the others: in a browser
 * an engine belongs in a worker, since a page's main thread cannot sleep meanwhile.
 */
export class Wasm {
  /** The kernels, as `assembly/index.ts` exports them. Arguments are addresses in the arena and plain numbers; nothing is checked there. With several threads, large ones cut their work by themselves. */
  readonly k: Kernels;
  readonly arena: Arena;
  #pool: Pool | undefined;

  private constructor(k: Kernels, arena: Arena, pool: Pool | undefined) {
    this.k = k;
    this.arena = arena;
    this.#pool = pool;
  }

  /**
   * Compiles (where bytes are given) and instantiates the kernels with a memory of their own: kernels.wasm or kernels-relaxed.wasm.
   * Threads need the bytes, or a module compiled from what `withSharedMemory` makes of them.
   * @throws TypeError when source is neither bytes nor a WebAssembly.Module
   * @throws RangeError for options out of range
   * @throws WebAssembly.CompileError or LinkError when it is not the kernels' module, or the engine lacks SIMD
   */
  static async create(source: BufferSource | WebAssembly.Module, options: WasmOptions = {}): Promise<Wasm> {
    if (!(isModule(source) || ArrayBuffer.isView(source) || (source as unknown) instanceof ArrayBuffer)) {
      throw new TypeError(
        `Wasm.create: expected the bytes of kernels.wasm or a WebAssembly.Module, found ${describe(source)}`,
      );
    }
    const { threads = 1, maxBytes = ADDRESSABLE, spawn } = options;
    if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS)
      throw new RangeError(`threads: expected a whole number in [1, ${MAX_THREADS}], found ${threads}`);
    if (threads > 1 && supportsThreads()) {
      const { engine } = await import('./threads.ts');
      const found = await engine(source, { maxBytes, threads, spawn, load });
      if (found !== undefined) return new Wasm(found.kernels, found.arena, found.pool);
    }
    const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES });
    const k = await load(source, memory);
    return new Wasm(k, new Arena(memory, k.heap_base() >>> 0, maxBytes), undefined);
  }

  /** Which of the builds this is. */
  get build(): Build {
    return this.k.relaxed() === 1 ? 'relaxed' : 'plain';
  }

  /** Threads at work, the caller's own included. */
  get threads(): number {
    return this.#pool?.threads ?? 1;
  }

  /**
   * Runs calls that do not depend on each other, spread over the threads in any order, and returns when all are done. Each writes
   * to places of its own, its scratch among them, so what they compute does not depend on the number of threads.
   * @throws KernelError of the first call in the list that trapped; what the calls write is then undefined
   */
  each(calls: readonly KernelCall[]): void {
    if (this.#pool !== undefined && calls.length > 1) {
      this.#pool.run(calls);
      return;
    }
    for (const [name, ...args] of calls) {
      try {
        (this.k[name] as (...args: number[]) => void)(...args);
      } catch (error) {
        throw new KernelError(name, error instanceof Error ? error.message : String(error), { cause: error });
      }
    }
  }

  /** Ends the other threads; the engine goes on with one. An engine that is no longer used keeps them until this is called. */
  dispose(): void {
    this.#pool?.close();
    this.#pool = undefined;
  }
}

async function load(source: BufferSource | WebAssembly.Module, memory: WebAssembly.Memory): Promise<Kernels> {
  const imports = { env: { memory, abort } };
  const exports: Record<string, unknown> =
    isModule(source) && !(source instanceof WebAssembly.Module)
      ? // a module of another realm: the loader would take it for bytes
        (await WebAssembly.instantiate(source as WebAssembly.Module, imports)).exports
      : (await instantiate<Record<string, unknown>>(source, imports)).exports;
  if (typeof exports.heap_base !== 'function') {
    throw new TypeError(
      'Wasm.create: expected kernels.wasm, found a module that is not the kernels: no export heap_base',
    );
  }
  return exports as unknown as Kernels;
}

/** Called by a kernel that cannot go on. */
function abort(_message: number, _file: number, line: number, column: number): never {
  throw new Error(`a kernel aborted at ${line}:${column}`);
}

function describe(value: unknown): string {
  return value === null ? 'null' : typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value;
}
