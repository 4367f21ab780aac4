/** LAPACK's dgesvj in a process of its own, where a C compiler and the library are installed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Timing } from '../measure.ts';
import { Absent, ROOT } from './load.ts';

export const DGESVJ = 'LAPACK dgesvj';

/** Answers line by line. */
class Lines {
  private readonly waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  private ended: Error | undefined;

  constructor(private readonly child: ChildProcess) {
    createInterface({ input: child.stdout! }).on('line', (line) => this.waiting.shift()?.resolve(line));
    const end = (why: string) => {
      this.ended = new Absent(why);
      for (const { reject } of this.waiting.splice(0)) reject(this.ended);
    };
    child.on('exit', (code) =>
      end(code === 3 ? 'liblapack.so.3 is not installed' : `dgesvj ended with exit code ${code}`),
    );
    child.on('error', (error) => end(error.message));
    child.stdin!.on('error', () => {});
  }

  next(request = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.ended) return reject(this.ended);
      this.waiting.push({ resolve, reject });
      if (request !== '') this.child.stdin!.write(request);
    });
  }
}

export interface Dgesvj {
  /** Runs once; the process times itself. */
  once(): Promise<Timing>;
  /** What the last run found, descending. */
  values(): Promise<Float64Array>;
  close(): void;
}

/**
 * @param a row-major [m, n], m >= n
 * @throws Absent without a compiler, the library or the source of the harness
 */
export async function dgesvj(a: Float64Array, m: number, n: number): Promise<Dgesvj> {
  if (ROOT === undefined) throw new Absent('the harness of LAPACK is part of a checkout, not of the package');
  const folder = mkdtempSync(join(tmpdir(), 'kappa-bench-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const clean = () => {
    process.off('exit', remove);
    remove();
  };
  process.once('exit', remove);
  try {
    const program = join(folder, 'dgesvj');
    try {
      const source = join(ROOT, 'bench', 'lapack', 'dgesvj.c');
      execFileSync('cc', ['-O2', '-o', program, source, '-ldl'], { stdio: 'pipe' });
    } catch (cause) {
      throw new Absent('no C compiler to build the harness of LAPACK with', { cause });
    }
    const columns = new Float64Array(m * n);
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) columns[j * m + i] = a[i * n + j]!;
    const file = join(folder, 'matrix');
    writeFileSync(file, columns);
    const child = spawn(program, [String(m), String(n), file], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = new Lines(child);
    await lines.next();
    return {
      once: async () => {
        const [cpu, wall] = (await lines.next('r')).split(' ').map((s) => 1000 * Number(s));
        return { cpu: cpu!, wall: wall! };
      },
      values: async () =>
        Float64Array.from((await lines.next('s')).split(' '), Number)
          .sort()
          .reverse(),
      close: () => {
        child.kill();
        clean();
      },
    };
  } catch (error) {
    clean();
    throw error;
  }
}
