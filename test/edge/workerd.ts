import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { UnsupportedError } from '../../src/errors.ts';
import { ROOT } from '../helpers.ts';

/** Milliseconds in which workerd must listen, and in which it must end. */
const START = 30_000;
const END = 5_000;

export interface Workerd {
  readonly origin: string;
  /** What it has said so far, on both channels. */
  output(): string;
  close(): Promise<void>;
}

/** The executable of the `workerd` package. @throws UnsupportedError where that has none for this platform */
export async function workerdPath(): Promise<string> {
  const why = `workerd: expected an executable for ${process.platform} ${process.arch}`;
  let path: unknown;
  try {
    // @ts-expect-error the package declares no types for its path
    ({ default: path } = await import('workerd'));
  } catch (error) {
    throw new UnsupportedError(`${why}, found ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof path !== 'string' || !existsSync(path))
    throw new UnsupportedError(`${why}, found none at ${String(path)}`);
  return path;
}

/** Files of dist/ as modules of a worker, whose specifiers are then these names: a door, every chunk, the kernels. */
export function distModules(door: string): Record<string, Uint8Array> {
  const dist = join(ROOT, 'dist');
  const names = existsSync(dist) ? readdirSync(dist).filter((name) => /^core-.*\.js$/.test(name)) : [];
  if (!existsSync(join(dist, door))) throw new Error(`dist/${door} is missing: run \`npm run build\` first`);
  return Object.fromEntries([door, 'kernels.wasm', ...names].map((name) => [name, readFileSync(join(dist, name))]));
}

/**
 * Starts workerd with a worker made of these modules, the first of them its entry, on a port that is free.
 * @param compatibilityDate of workerd's behaviour
 * @throws UnsupportedError where there is no workerd for this platform
 * @throws Error with what workerd says, where it ends or does not listen in time
 */
export async function startWorkerd(
  modules: Readonly<Record<string, string | Uint8Array>>,
  compatibilityDate = '2026-10-01',
): Promise<Workerd> {
  const path = await workerdPath();
  const folder = mkdtempSync(join(tmpdir(), 'kappa-workerd-'));
  for (const [name, bytes] of Object.entries(modules)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  writeFileSync(join(folder, 'config.capnp'), configOf(Object.keys(modules), compatibilityDate));
  const child = spawn(path, ['serve', '--control-fd=3', join(folder, 'config.capnp')], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-65536);
    });
  const close = async (): Promise<void> => {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const port = await listening(child, () => output);
    return { origin: `http://127.0.0.1:${port}`, output: () => output, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function configOf(names: readonly string[], date: string): string {
  const modules = names.map((name) => {
    const kind = name.endsWith('.wasm') ? 'wasm' : 'esModule';
    return `    (name = "${name}", ${kind} = embed "${name}"),\n`;
  });
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  compatibilityDate = "${date}",
  modules = [
${modules.join('')}  ],
);
`;
}

function listening(child: ChildProcess, output: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`workerd ${why}: ${output().trim() || 'it said nothing'}`));
    const timer = setTimeout(() => fail(`did not listen within ${START / 1000} s`), START);
    let said = '';
    child.once('error', (error) => fail(`was not started (${error.message})`));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${signal ?? `exit code ${code}`}`);
    });
    (child.stdio[3] as Readable).setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const port = /"event":"listen","socket":"http","port":(\d+)/.exec(said)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
  });
}

/** Asks it to end, and ends it. */
function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), END);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
