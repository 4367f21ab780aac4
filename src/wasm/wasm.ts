import { instantiate } from '@assemblyscript/loader';
import { Arena } from './arena.ts';
import type { Kernels } from './kernels.ts';

/** Pages (64 KiB) the memory starts with: enough for the module's static data. */
const INITIAL_PAGES = 16;

export interface WasmOptions {
  /** Largest size the memory may grow to, in bytes; 4 GiB unless told. */
  readonly maxBytes?: number;
}

/** The kernels, and the memory they work in. */
export class Wasm {
  /** The kernels, as `assembly/index.ts` exports them. Arguments are addresses in the arena and plain numbers; nothing is checked there. */
  readonly k: Kernels;
  readonly arena: Arena;

  private constructor(k: Kernels, arena: Arena) {
    this.k = k;
    this.arena = arena;
  }

  /**
   * Compiles (where bytes are given) and instantiates the kernels with a memory of their own.
   * @throws TypeError when source is neither bytes nor a WebAssembly.Module
   * @throws WebAssembly.CompileError or LinkError when it is not the kernels' module, or the engine lacks SIMD
   */
  static async create(source: BufferSource | WebAssembly.Module, options: WasmOptions = {}): Promise<Wasm> {
    if (!(source instanceof WebAssembly.Module || source instanceof ArrayBuffer || ArrayBuffer.isView(source))) {
      throw new TypeError(
        `Wasm.create: expected the bytes of kernels.wasm or a WebAssembly.Module, found ${describe(source)}`,
      );
    }
    const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES });
    const { exports } = await instantiate<Record<string, unknown>>(source, { env: { memory, abort } });
    if (typeof exports.heap_base !== 'function') {
      throw new TypeError(
        'Wasm.create: expected kernels.wasm, found a module that is not the kernels: no export heap_base',
      );
    }
    const k = exports as unknown as Kernels;
    return new Wasm(k, new Arena(memory, k.heap_base() >>> 0, options.maxBytes));
  }
}

/** Called by a kernel that cannot go on. */
function abort(_message: number, _file: number, line: number, column: number): never {
  throw new Error(`a kernel aborted at ${line}:${column}`);
}

function describe(value: unknown): string {
  return value === null ? 'null' : typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value;
}
