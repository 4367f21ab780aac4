/** Starting processes that run a stock runtime, and waiting for what they tell, no longer than is sensible. */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InterruptedError } from '../../errors.ts';
import { RUNTIMES, type RuntimeName, type Values } from '../../verify/runtime.ts';
import type { Message, Rounds, Stage, Task, Which } from './protocol.ts';

/** A stock runtime that is installed. */
export interface InstalledRuntime {
  readonly runtime: RuntimeName;
  readonly version: string;
  /** File of the package's entry. */
  readonly module: string;
}

/** The runtimes whose packages are found from these folders: from the current one, then from where Kappa lies, unless told. */
export function installedRuntimes(
  folders: readonly string[] = [process.cwd(), dirname(fileURLToPath(import.meta.url))],
): InstalledRuntime[] {
  return RUNTIMES.flatMap((runtime) => {
    for (const folder of folders) {
      const found = findPackage(runtime, folder);
      if (found) return [found];
    }
    return [];
  });
}

function findPackage(runtime: RuntimeName, folder: string): InstalledRuntime | undefined {
  try {
    const module = createRequire(join(folder, 'kappa.js')).resolve(runtime);
    for (let at = dirname(module); at !== dirname(at); at = dirname(at)) {
      const file = join(at, 'package.json');
      if (!existsSync(file)) continue;
      const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      if (name === runtime) return { runtime, version: String(version), module };
    }
  } catch {
    // not installed, or damaged: as if it were not there
  }
  return undefined;
}

/** What a task found before it ended, and how it ended. */
export interface TaskOutcome {
  readonly outputs: Readonly<Partial<Record<Which | 'defaults', readonly Values[]>>>;
  readonly load: Rounds | undefined;
  readonly runs: readonly Rounds[];
  readonly memory: number | undefined;
  /** What was going on when it ended before its time, and why it did. */
  readonly failure: { readonly stage: Stage; readonly reason: string } | undefined;
}

export interface Limits {
  readonly signal?: AbortSignal | undefined;
  /** Most milliseconds of the first stages; default five minutes. */
  readonly first?: number | undefined;
  /** Most milliseconds of the stages of the written file, where that is longer than fifty times the original's; default one minute. */
  readonly later?: number | undefined;
}

const STDERR = 4000;

/** The child program: beside the bundle in dist/, or the source it is made of. */
function program(): string {
  const found = ['./runtime-child.js', './child.ts', './runtimes/child.ts']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error('runtime-child.js is missing beside this module: run `npm run build`');
  return found;
}

/** Flags of V8: the better of its two compilers from the start, or as soon as a function has run a little. */
function engineFlags({ runtime, compiled }: Task): string[] {
  if (runtime !== 'onnxruntime-web' || process.versions.v8 === undefined || 'bun' in process.versions) return [];
  return [compiled ? '--no-liftoff' : '--wasm-tiering-budget=5000'];
}

/**
 * Runs a task in a process of its own. Whatever happens to that process is told, not thrown.
 * @throws InterruptedError once the signal is aborted
 */
export function runTask(task: Task, { signal, first = 300_000, later = 60_000 }: Limits = {}): Promise<TaskOutcome> {
  signal?.throwIfAborted();
  const path = program();
  const child = fork(path, {
    // where loaders named in the flags of a run from sources are found
    cwd: dirname(path),
    execArgv: [...(path.endsWith('.js') ? [] : process.execArgv), ...engineFlags(task)],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  signal?.addEventListener('abort', kill);
  return follow(child, task, { first, later })
    .then((outcome) => {
      if (signal?.aborted) throw signal.reason instanceof Error ? signal.reason : new InterruptedError();
      return outcome;
    })
    .finally(() => {
      process.off('exit', kill);
      signal?.removeEventListener('abort', kill);
      kill();
    });
}

function follow(child: ChildProcess, task: Task, limits: { first: number; later: number }): Promise<TaskOutcome> {
  const outputs: Partial<Record<Which | 'defaults', readonly Values[]>> = {};
  const runs: Rounds[] = [];
  let [load, memory]: [Rounds | undefined, number | undefined] = [undefined, undefined];
  let stage: Stage = 'starting';
  let began = performance.now();
  let original = 0;
  let said = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-STDERR);
  });
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const end = (reason?: string) => {
      clearTimeout(timer);
      const failure = reason === undefined ? undefined : { stage, reason };
      resolve({ outputs, load, runs, memory, failure });
    };
    const begin = (next: Stage) => {
      if (stage === 'original') original = performance.now() - began;
      stage = next;
      began = performance.now();
      clearTimeout(timer);
      const most = stage === 'starting' || stage === 'original' ? limits.first : Math.max(limits.later, 50 * original);
      timer = setTimeout(() => end(`took longer than ${Math.round(most / 1000)} s`), most);
    };
    begin('starting');
    child.on('message', (message: Message) => {
      if ('stage' in message) begin(message.stage);
      else if ('outputs' in message) outputs[message.outputs] = message.values;
      else if ('load' in message) load = message.load;
      else if ('run' in message) runs[message.index] = message.run;
      else if ('memory' in message) memory = message.memory;
      else if ('failed' in message) end(message.failed);
      else end();
    });
    child.on('error', (error) => end(error.message));
    child.on('close', (code, ended) => {
      const last = said.trim().split('\n').at(-1);
      end(`its process ended with ${ended ?? `exit code ${code}`}${last ? `: ${last}` : ''}`);
    });
    child.send(task, (error) => {
      if (error) end(error.message);
    });
  });
}
