/** Runs the built command as a user does, in a folder of its own, on models and data made here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeNpz } from '../../src/data/index.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { normals, ROOT, random } from '../helpers.ts';
import { int, join8, len, node, opset, tensorProto, valueInfo } from '../onnx/build.ts';

export const CLI = join(ROOT, 'dist', 'cli.js');

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Place {
  readonly dir: string;
  /** Paths of all files below, sorted. */
  files(): string[];
  write(name: string, bytes: Uint8Array | string): string;
  kappa(...args: string[]): Promise<Outcome>;
  /** The same, with the process at hand while it runs. */
  start(args: readonly string[], env?: NodeJS.ProcessEnv): { child: ChildProcess; done: Promise<Outcome> };
  remove(): void;
}

export function makePlace(): Place {
  if (!existsSync(CLI)) throw new Error('dist/cli.js is missing: run `npm run build` first');
  const dir = mkdtempSync(join(tmpdir(), 'kappa-e2e-'));
  const start: Place['start'] = (args, env = {}) => {
    // Stock runtimes are another test's business: half a second a file in each of them.
    const said = args.includes('--verify') || args.includes('--no-verify') || args.includes('--help');
    const quick = args[0] === 'quantize' && !said ? ['--no-verify'] : [];
    const child = spawn(process.execPath, [CLI, ...args, ...quick], {
      cwd: dir,
      env: { ...process.env, FORCE_COLOR: undefined, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const done = new Promise<Outcome>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    });
    return { child, done };
  };
  return {
    dir,
    files: () => readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort(),
    write(name, bytes) {
      writeFileSync(join(dir, name), bytes);
      return name;
    },
    kappa: (...args) => start(args).done,
    start,
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Widths of the layers of `network`. */
export const SIZES = [24, 48, 40, 12] as const;

function weight(name: string, rows: number, cols: number, next: () => number): Uint8Array {
  const data = normals(rows * cols, next, 1 / Math.sqrt(cols));
  return len(5, tensorProto(name, 1, [rows, cols], len(9, new Uint8Array(data.buffer))));
}

/** x [N, sizes[0]] -> Gemm and Relu, layer by layer -> logits; weights fc0.weight, fc1.weight, ... seeded. */
export function network(sizes: readonly number[] = SIZES, seed = 1, last = 'Relu'): Uint8Array {
  const next = random(seed);
  const parts: Uint8Array[] = [];
  let value = 'x';
  for (let i = 0; i + 1 < sizes.length; i++) {
    const end = i + 2 === sizes.length;
    const made = end ? 'logits' : `h${i}`;
    const transposed = len(5, join8(len(1, 'transB'), int(3, 1), int(20, 2)));
    parts.push(len(1, node('Gemm', [value, `fc${i}.weight`], [made], transposed)));
    if (!end) parts.push(len(1, node(i === 0 ? last : 'Relu', [made], [`a${i}`])));
    value = `a${i}`;
    parts.push(weight(`fc${i}.weight`, sizes[i + 1]!, sizes[i]!, next));
  }
  const graph = join8(
    ...parts,
    len(2, 'net'),
    len(11, valueInfo('x', 1, ['N', sizes[0]!])),
    len(12, valueInfo('logits', 1, ['N', sizes.at(-1)!])),
  );
  return join8(int(1, 8), len(2, 'test'), len(7, graph), opset(17));
}

/** `count` samples for `network`, with labels. */
export function samples(count: number, width: number = SIZES[0], classes: number = SIZES.at(-1)!, seed = 2) {
  const next = random(seed);
  return new Map<string, Tensor>([
    ['x', tensor('float', [count, width], normals(count * width, next))],
    [
      'labels',
      tensor(
        'int64',
        [count],
        BigInt64Array.from({ length: count }, () => BigInt(Math.floor(next() * classes))),
      ),
    ],
  ]);
}

export function npz(arrays: Iterable<readonly [string, Tensor]>): Uint8Array {
  return writeNpz(new Map(arrays));
}
