/**
 * A process of its own that runs models in a stock runtime, whose package is found at run time: a crash, a loop without end or
 * memory that runs out there end this process alone. One task comes in as a message, what is found goes out as messages.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arrayOf, type DType, type Tensor, type TypedArray } from '../../tensor.ts';
import type { Values } from '../../verify/runtime.ts';
import type { Message, ModelPath, Rounds, Task, Which } from './protocol.ts';

/** What is used of the runtimes' common interface. */
interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayLike<number> & { readonly buffer: ArrayBuffer; readonly byteOffset: number };
}
interface OrtSession {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}
interface Ort {
  readonly env: { logLevel?: string; readonly wasm: { numThreads?: number } };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: { create(bytes: Uint8Array, options: object): Promise<OrtSession> };
}

const field = (number: number, bytes: readonly number[]): number[] => [8 * number + 2, bytes.length, ...bytes];
const text = (number: number, value: string): number[] => field(number, [...new TextEncoder().encode(value)]);
const float1 = (name: string): number[] => [
  ...text(1, name),
  ...field(2, field(1, [8, 1, ...field(2, field(1, [8, 1]))])),
];

/** A model of one Identity, float [1]: what a runtime needs to be there at all is loaded with it. IR version 8, opset 13. */
const NOTHING = Uint8Array.from([
  ...[8, 8, ...field(8, [16, 13])],
  ...field(7, [
    ...field(1, [...text(1, 'x'), ...text(2, 'y'), ...text(4, 'Identity')]),
    ...[...text(2, 'g'), ...field(11, float1('x')), ...field(12, float1('y'))],
  ]),
]);

const TYPES: Partial<Record<DType, string>> = { float: 'float32', double: 'float64' };

const send = (message: Message): Promise<void> =>
  new Promise((resolve, reject) =>
    process.send!(message, (error: Error | null) => (error ? reject(error) : resolve())),
  );

/** Memories that WebAssembly modules of this process made: an engine's heap never shrinks, so its size is its peak. */
const heaps: WebAssembly.Memory[] = [];

function watchHeaps(): void {
  const { Memory } = WebAssembly;
  WebAssembly.Memory = new Proxy(Memory, {
    construct(target, [descriptor]: [WebAssembly.MemoryDescriptor]) {
      const memory = new target(descriptor);
      heaps.push(memory);
      return memory;
    },
  });
}

class Runtime {
  readonly #ort: Ort;
  readonly #task: Task;

  constructor(task: Task) {
    this.#task = task;
    this.#ort = createRequire(task.module)(task.module) as Ort;
    if (task.runtime === 'onnxruntime-web') this.#ort.env.wasm.numThreads = 1;
    this.#ort.env.logLevel = 'error';
  }

  /** Peak of the memory needed up to now. */
  get memory(): number {
    if (this.#task.runtime === 'onnxruntime-web') return heaps.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    return process.resourceUsage().maxRSS * 1024;
  }

  load({ bytes, data }: Loaded, defaults = false): Promise<OrtSession> {
    return this.#ort.InferenceSession.create(bytes, {
      executionProviders: [this.#task.runtime === 'onnxruntime-web' ? 'wasm' : 'cpu'],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      ...(data.length > 0 ? { externalData: data } : {}),
      ...(defaults ? {} : { extra: { session: { qdq_matmulnbits_accuracy_level: '0' } } }),
    });
  }

  feeds(values: Values): Record<string, OrtTensor> {
    return Object.fromEntries(
      Object.entries(values).map(([name, t]) => [
        name,
        new this.#ort.Tensor(TYPES[t.dtype] ?? t.dtype, t.data, [...t.dims]),
      ]),
    );
  }

  async outputs(session: OrtSession): Promise<Values[]> {
    const out: Values[] = [];
    for (const sample of this.#task.samples) {
      const made = await session.run(this.feeds(sample));
      out.push(Object.fromEntries(Object.entries(made).map(([name, t]) => [name, plain(t)])));
    }
    return out;
  }
}

function plain({ type, dims, data }: OrtTensor): Tensor {
  const dtype = (type === 'float32' ? 'float' : type === 'float64' ? 'double' : type) as DType;
  const array = arrayOf(dtype) as (new (buffer: ArrayBuffer, at: number, n: number) => TypedArray) | undefined;
  if (array === undefined) throw new Error(`outputs of type ${type} cannot be compared`);
  // a copy: some outputs are views of memory that is freed with the session
  return { dtype, dims: [...dims], data: new array(data.buffer, data.byteOffset, data.length).slice() };
}

interface Loaded {
  readonly bytes: Uint8Array;
  readonly data: readonly { readonly path: string; readonly data: Uint8Array }[];
}

function read({ path, data }: ModelPath): Loaded {
  return {
    bytes: readFileSync(path),
    data: data.map((d) => ({ path: d.location, data: readFileSync(d.path) })),
  };
}

/** Processor time of the process, in milliseconds. */
function now(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Least rounds, where one alone takes longer than the budget. */
const LEAST = 3;
/** Milliseconds that a round lasts at least. */
const ROUND = 20;

/** Times both by turns, every second round in reverse. @param warmUp milliseconds for which both run before; 0: each round is one call */
async function interleaved(works: Record<Which, () => Promise<unknown>>, task: Task, warmUp: number): Promise<Rounds> {
  const timed = async (body: () => Promise<unknown>, repeats = 1): Promise<number> => {
    const before = now();
    for (let i = 0; i < repeats; i++) await body();
    return Math.max(1e-3, now() - before) / repeats;
  };
  const start = now();
  let once = 0;
  do once = Math.max(await timed(works.original), await timed(works.written));
  while (now() - start < warmUp);
  const repeats = warmUp === 0 ? 1 : Math.max(1, Math.ceil(ROUND / once));
  const rounds: Record<Which, number[]> = { written: [], original: [] };
  const end = performance.now() + task.budget;
  const order: Which[] = ['original', 'written'];
  for (let round = 0; round < task.rounds; round++) {
    if (round >= LEAST && performance.now() > end) break;
    for (const which of round % 2 === 0 ? order : [...order].reverse())
      rounds[which].push(await timed(works[which], repeats));
  }
  return rounds;
}

async function serve(task: Task): Promise<void> {
  const runtime = new Runtime(task);
  await (await runtime.load({ bytes: NOTHING, data: [] })).release();
  const loaded: Partial<Record<Which, Loaded>> = {};
  const sessions: Partial<Record<Which, OrtSession>> = {};
  const needed = runtime.memory;
  for (const which of ['original', 'written'] as const) {
    const path = task.files[which];
    if (!path) continue;
    await send({ stage: which });
    const file = read(path);
    const session = await runtime.load(file);
    await send({ outputs: which, values: await runtime.outputs(session) });
    // one at a time where they are not to be held against each other
    if (task.timed.length === 0) await session.release();
    else sessions[which] = session;
    if (which === 'written' || task.timed.length > 0) loaded[which] = file;
  }
  if (task.memory) await send({ memory: Math.max(0, runtime.memory - needed) });
  if (task.defaults && loaded.written) {
    await send({ stage: 'defaults' });
    const session = await runtime.load(loaded.written, true);
    await send({ outputs: 'defaults', values: await runtime.outputs(session) });
    await session.release();
  }
  const { original, written } = sessions;
  if (!original || !written || task.timed.length === 0) return;
  await send({ stage: 'running' });
  for (const [index, sample] of task.timed.entries()) {
    const feeds = runtime.feeds(sample);
    const works = { original: () => original.run(feeds), written: () => written.run(feeds) };
    await send({ run: await interleaved(works, task, task.warmUp), index });
  }
  await send({ stage: 'loading' });
  const again = (which: Which) => async () => (await runtime.load(loaded[which]!)).release();
  await send({ load: await interleaved({ original: again('original'), written: again('written') }, task, 0) });
}

watchHeaps();
process.on('disconnect', () => process.exit());
process.once('message', (task: Task) => {
  serve(task)
    .then(
      () => send({ done: true }),
      (error: unknown) => send({ failed: error instanceof Error ? error.message : String(error) }),
    )
    .finally(() => process.exit());
});
