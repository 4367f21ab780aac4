import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bench } from '../../bench/speed/index.ts';
import { END, START, withSpeed } from '../../bench/speed/readme.ts';
import { PACKAGES } from '../../bench/speed/peers/load.ts';
import { graded, relativeError } from '../../bench/speed/cases/svd.ts';
import { main } from '../../src/cli/program.ts';
import type { BenchReport } from '../../src/report/bench.ts';
import { svd } from '../../src/wasm/svd.ts';
import { loadWasm, ROOT } from '../helpers.ts';

const test = suite('bench/run');

test('a group runs in a process of its own, and every peer of a case gets a row', async () => {
  const said: string[] = [];
  let progress = [0, 0];
  const report = await bench({
    filter: ['forward mnist-mlp, batch 64'],
    builds: ['plain'],
    quick: true,
    install: false,
    says: (line) => said.push(line),
    progress: (...p) => {
      progress = p;
    },
  });
  assert.equal(
    report.cases.map((row) => [row.name, row.peer, row.build]),
    ['onnxruntime-web', 'onnxruntime-node'].map((peer) => ['forward mnist-mlp, batch 64', peer, 'plain']),
  );
  for (const { ratio, ours_ms, peer_ms, detail } of report.cases) {
    assert.ok(ours_ms! > 0);
    // the peers are no part of a test installation
    if (detail.status === 'absent') assert.is(ratio, null);
    else assert.is(ratio, peer_ms! / ours_ms!, detail.reason);
  }
  assert.is(said.length, 2);
  assert.equal(progress, [1, 1]);
  assert.is(report.settings.rounds, 7);
  assert.equal(report.settings.node, { plain: process.versions.node });
  assert.type(report.versions.kappa, 'string');
});

test('an aborted run ends with the reason', async () => {
  const abort = new AbortController();
  const running = bench({ filter: ['gemm 1024'], builds: ['plain'], install: false, signal: abort.signal });
  setTimeout(() => abort.abort(new Error('enough')), 100);
  assert.match(String(await running.then(() => 'done', String)), /enough/);
});

test('flags that are wrong are refused before anything runs', async () => {
  for (const args of [['--build', 'fast'], ['--filter'], ['--unknown'], ['argument']])
    assert.is(await main(['bench', '--no-color', ...args]), 2, args.join(' '));
});

test('a filter that no case fits is refused', async () => {
  assert.is(await main(['bench', '--no-color', '--filter', 'no such case']), 2);
});

test('the graded matrices have the singular values they are said to have', async () => {
  const { a, m, n, values } = graded();
  assert.equal([m, n, a.length, values.length], [512, 512, 512 * 512, 512]);
  assert.ok(values[511]! / values[0]! < 1e-19);
  // sums of squares agree: of the elements, and of the values
  const square = (x: Float64Array) => x.reduce((sum, v) => sum + v * v, 0);
  assert.ok(Math.abs(square(a) / square(values) - 1) < 1e-12);
  const found = svd(await loadWasm(), a, m, n).sigma;
  assert.ok(relativeError(found, values) < 1e-12);
  assert.is(relativeError([1, 2], [1]), Number.POSITIVE_INFINITY);
  assert.is(relativeError([Number.NaN], [1]), Number.POSITIVE_INFINITY);
  assert.is(relativeError([2, 1.5], [2, 1]), 0.5);
});

test('the peers are pinned, come from no registry in particular, and are those the tests know', () => {
  const json = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
  const { dependencies, optionalDependencies } = json('bench/package.json') as Record<string, Record<string, string>>;
  for (const [name, version] of Object.entries({ ...dependencies, ...optionalDependencies }))
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
  assert.equal(Object.keys(dependencies!).sort(), [...PACKAGES].sort());
  const { packages } = json('bench/package-lock.json') as {
    packages: Record<string, { resolved?: string; integrity?: string }>;
  };
  const entries = Object.entries(packages).filter(([path]) => path !== '');
  assert.ok(entries.length > PACKAGES.length);
  for (const [path, { resolved, integrity }] of entries) {
    assert.is(resolved, undefined, path);
    assert.type(integrity, 'string', path);
  }
  const { devDependencies } = json('package.json') as { devDependencies: Record<string, string> };
  for (const name of ['onnxruntime-web', 'onnxruntime-node'])
    assert.is(dependencies![name], devDependencies[name], name);
});

const RESULTS = join(ROOT, 'bench', 'results', 'kernels.json');

test('the README shows the figures of the last run of everything', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  assert.is(readme.includes(START), readme.includes(END));
  if (!readme.includes(START)) return;
  assert.ok(existsSync(RESULTS), 'bench/results/kernels.json is missing: run `npm run bench`');
  const report = JSON.parse(readFileSync(RESULTS, 'utf8')) as BenchReport;
  assert.is(readme, withSpeed(readme, report), 'run `node --import tsx bench/speed/readme.ts`');
});

test.run();
