import { Arena, INITIAL_PAGES, PAGE, PAGES } from './arena.ts';
import { isModule } from './features.ts';
import type { Kernels } from './kernels.ts';
import { Pool } from './pool.ts';
import { withSharedMemory } from './shared.ts';
import { spread } from './spread.ts';
import { browserSpawn, type Spawn } from './worker.ts';

/** How an engine with workers is made. */
export interface EngineOptions {
  readonly maxBytes: number;
  readonly threads: number;
  /** Browsers' own workers unless told. */
  readonly spawn: Spawn | undefined;
  readonly load: (module: WebAssembly.Module, memory: WebAssembly.Memory) => Promise<Kernels>;
}

/** An engine with workers: kernels that spread their work. */
export interface Engine {
  readonly kernels: Kernels;
  readonly arena: Arena;
  readonly pool: Pool;
}

/** An engine with workers; undefined where source or platform has no shared memory, or no workers. */
export async function engine(
  source: BufferSource | WebAssembly.Module,
  { maxBytes, threads, spawn = browserSpawn(), load }: EngineOptions,
): Promise<Engine | undefined> {
  const reserved = spawn && reserve(maxBytes);
  if (reserved === undefined || spawn === undefined) return undefined;
  const { memory, limit } = reserved;
  const compiled = isModule(source);
  const module = compiled ? source : await WebAssembly.compile(withSharedMemory(bytesOf(source), PAGES));
  let k: Kernels;
  try {
    k = await load(module, memory);
  } catch (error) {
    if (compiled && error instanceof WebAssembly.LinkError) return undefined;
    throw error;
  }
  const arena = new Arena(memory, k.heap_base() >>> 0, limit);
  const pool = await Pool.start(module, memory, k, threads - 1, spawn);
  return { kernels: spread(k, arena, pool), arena, pool };
}

/**
 * A shared memory that may grow to maxBytes, or to what the platform lets one reserve: its address space is reserved at once, its
 * pages are not.
 */
function reserve(maxBytes: number): { memory: WebAssembly.Memory; limit: number } | undefined {
  let limit = maxBytes;
  for (;;) {
    const maximum = Math.max(INITIAL_PAGES, Math.min(PAGES, Math.ceil(limit / PAGE) || 0));
    try {
      return { memory: new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum, shared: true }), limit };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (maximum === INITIAL_PAGES) return undefined;
      limit = (maximum / 2) * PAGE;
    }
  }
}

function bytesOf(source: BufferSource): Uint8Array {
  return source instanceof ArrayBuffer
    ? new Uint8Array(source)
    : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
}
