import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { measureCase, sumsOf } from '../../bench/speed/child.ts';
import { GOALS, goalOf, TOLERANCE } from '../../bench/speed/goals.ts';
import { GROUPS, selected } from '../../bench/speed/groups.ts';
import { type BenchCase, type Group, Lab, type Row, sideOf } from '../../bench/speed/lab.ts';
import { difference } from '../../bench/speed/measure.ts';
import { floatTensor, oneNode } from '../../bench/speed/models.ts';
import { Absent } from '../../bench/speed/peers/load.ts';
import { normals, random } from '../../bench/speed/random.ts';
import { outputsDiffer } from '../../bench/speed/cases/model.ts';
import { END, START, speedTable, withSpeed } from '../../bench/speed/readme.ts';
import { Session } from '../../src/graph/index.ts';
import { readModel } from '../../src/onnx/index.ts';
import { type BenchReport, type BenchRow, benchText, objections, reached } from '../../src/report/bench.ts';
import { throws } from '../throws.ts';

const test = suite('bench/report');

const N = 8;
const next = random(7);
const a = floatTensor([N, N], normals(N * N, next));
const b = floatTensor([N, N], normals(N * N, next));
const { bytes, feeds } = oneNode({
  op: 'MatMul',
  inputs: [{ tensor: a }, { tensor: b, constant: true }],
  output: { dtype: 'float', dims: [N, N] },
});

/** The product as anyone would write it down. */
function naive(): Float32Array {
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  const out = new Float32Array(N * N);
  for (let i = 0; i < N; i++)
    for (let j = 0; j < N; j++) for (let k = 0; k < N; k++) out[i * N + j]! += x[i * N + k]! * y[k * N + j]!;
  return out;
}

/** A small product against the naive loop, against one that is wrong, and against one that is not installed. */
const tiny: BenchCase = {
  name: 'tiny',
  peers: ['naive', 'wrong', 'missing'],
  run: async (lab) => {
    const session = new Session(readModel(bytes), await lab.kernels());
    const ours = session.run(feeds).y!.data as Float32Array;
    const side = (peer: string, theirs: () => Float32Array) =>
      sideOf(peer, 1e-5, async () => ({ work: theirs, difference: difference(ours, theirs()) }));
    const missing = sideOf('missing', 1e-5, async () => {
      throw new Absent('package missing is not installed');
    });
    const sides = [await side('naive', naive), await side('wrong', () => naive().map((v) => v + 1)), await missing];
    const rows = await lab.rows('tiny', () => session.run(feeds), sides, 'cpu', { rounds: 7, least: 1, warmUp: 5 });
    session.dispose();
    return rows;
  },
};

const lab = new Lab('plain', true);
const rows = await measureCase(lab, tiny);

function reportOf(measured: readonly Row[], goal: (row: Row) => number | null): BenchReport {
  return {
    cases: measured.map((row) => ({ ...row, goal: goal(row), build: 'plain' })),
    versions: { kappa: '0.0.0', naive: '1.0.0' },
    settings: { rounds: 7, quick: true, tolerance: 0.05, filter: ['tiny'], node: { plain: '20.0.0' } },
  };
}

test('a case measures ours and its peer, tells a wrong result and a missing peer', () => {
  assert.equal(
    rows.map((row) => [row.name, row.peer, row.detail.status]),
    [
      ['tiny', 'naive', undefined],
      ['tiny', 'wrong', 'failed'],
      ['tiny', 'missing', 'absent'],
    ],
  );
  const [good, wrong, missing] = rows as [Row, Row, Row];
  assert.ok(good.ours_ms! > 0 && good.peer_ms! > 0);
  assert.is(good.ratio, good.peer_ms! / good.ours_ms!);
  assert.ok(good.detail.difference! < 1e-5);
  assert.match(wrong.detail.reason!, /results differ by/);
  for (const row of [wrong, missing]) {
    assert.is(row.ratio, null);
    assert.is(row.peer_ms, null);
    assert.ok(row.ours_ms! > 0, 'ours alone');
  }
});

test('the document has the cases as they are promised, versions and settings', () => {
  const document = JSON.parse(JSON.stringify(reportOf(rows, () => 1))) as BenchReport;
  assert.equal(Object.keys(document), ['cases', 'versions', 'settings']);
  for (const row of document.cases) {
    assert.equal(Object.keys(row).sort(), ['build', 'detail', 'goal', 'name', 'ours_ms', 'peer', 'peer_ms', 'ratio']);
    assert.type(row.name, 'string');
    assert.type(row.peer, 'string');
    assert.ok(row.build === 'plain' || row.build === 'relaxed');
    for (const value of [row.ratio, row.goal, row.ours_ms, row.peer_ms])
      assert.ok(value === null || (typeof value === 'number' && Number.isFinite(value)));
  }
});

test('--assert objects to ratios below their goal less the tolerance, to failures, to what was not measured', () => {
  const good = rows.filter((row) => row.peer === 'naive');
  assert.equal(objections(reportOf(good, () => 1e-9)), []);
  assert.equal(objections(reportOf(good, () => null)), []);
  assert.match(
    objections(reportOf(good, () => 1e9))[0]!,
    /^tiny \(plain\) against naive: expected a ratio of 1000000000/,
  );
  // just within the tolerance of 5 %, and just outside
  assert.equal(objections(reportOf(good, (row) => row.ratio! / 0.951)), []);
  assert.is(objections(reportOf(good, (row) => row.ratio! / 0.949)).length, 1);
  const against = (report: BenchReport) => objections(report).map((line) => / against (\w+): /.exec(line)![1]);
  assert.equal(against(reportOf(rows, () => null)), ['wrong']);
  assert.equal(against(reportOf(rows, (row) => (row.peer === 'missing' ? 1 : null))), ['wrong', 'missing']);
});

test('the table shows every row, and what went wrong below it', () => {
  const text = benchText(reportOf(rows, (row) => (row.peer === 'naive' ? 1e9 : null)));
  assert.match(text, /tiny +plain +naive .*>= 1000000000/);
  assert.match(text, /failed: tiny \(plain\) against wrong: results differ.*; ours alone [\d.e-]+ ms/);
  assert.match(text, /absent: tiny \(plain\) against missing: package missing is not installed; ours alone/);
  assert.match(text, /versions: kappa 0\.0\.0, naive 1\.0\.0, Node \(plain\) 20\.0\.0/);
  assert.match(benchText(reportOf([], () => null)), /nothing was measured/);
});

test('a case that throws gives a row for every peer', async () => {
  const broken: BenchCase = { ...tiny, run: () => Promise.reject(new Error('boom\nand more')) };
  assert.equal(
    (await measureCase(lab, broken)).map((row) => [row.peer, row.ratio, row.detail]),
    tiny.peers.map((peer) => [peer, null, { clock: 'cpu', status: 'failed', reason: 'boom' }]),
  );
});

const timed = (name: string, peer: string, ours: number, theirs: number): Row => ({
  name,
  peer,
  ratio: theirs / ours,
  ours_ms: ours,
  peer_ms: theirs,
  detail: { clock: 'cpu', wall_ms: [ours, theirs] },
});

test('a sum counts every part as often as it occurs, and is missing where a part is', () => {
  const sums = [
    {
      name: 'sum',
      of: new Map([
        ['x', 3],
        ['y', 1],
      ]),
    },
  ];
  const group: Group = { name: 'g', cases: [], sums };
  const parts = [timed('x', 'p', 1, 2), timed('y', 'p', 2, 8), timed('x', 'q', 1, 1)];
  const [p, q] = sumsOf(group, parts) as [Row, Row];
  assert.equal([p.name, p.peer, p.ours_ms, p.peer_ms, p.ratio], ['sum', 'p', 5, 14, 14 / 5]);
  assert.equal([q.peer, q.ratio, q.detail.status], ['q', null, 'failed']);
  assert.match(q.detail.reason!, /^y: not measured/);
});

test('outputs of other shapes, or that are missing, are not the same', () => {
  assert.is(outputsDiffer({ y: a }, { y: a }), 0);
  assert.is(outputsDiffer({ y: a }, {}), Number.POSITIVE_INFINITY);
  assert.is(outputsDiffer({ y: a }, { y: { ...a, dims: [1, N * N] } }), Number.POSITIVE_INFINITY);
});

/** Every row there can be: name and peer. */
const possible = new Set(
  GROUPS.flatMap((group) => [
    ...group.cases.flatMap((c) => c.peers.map((peer) => `${c.name}\n${peer}`)),
    ...(group.sums ?? []).flatMap((sum) =>
      group.cases.flatMap((c) => (sum.of.has(c.name) ? c.peers.map((peer) => `${sum.name}\n${peer}`) : [])),
    ),
  ]),
);

test('every goal is that of a row there is, once, and is a ratio', () => {
  const known = [...possible, 'pipeline resnet18, peak memory\nonnxruntime-web, forward passes alone'];
  const keys = GOALS.map((goal) => `${goal.name}\n${goal.peer}`);
  assert.equal(
    keys.filter((key) => !known.includes(key)),
    [],
  );
  assert.is(new Set(keys).size, keys.length);
  for (const { name, plain, relaxed } of GOALS)
    for (const ratio of [plain, relaxed]) assert.ok(ratio === undefined || (ratio > 0 && ratio < 1000), name);
  assert.ok(TOLERANCE > 0 && TOLERANCE < 0.2);
  assert.is(goalOf('gemm 256x256x256', 'onnxruntime-web', 'relaxed'), 1.95);
  assert.is(goalOf('gemm 256x256x256', 'onnxruntime-node', 'plain'), null);
});

test('a filter picks cases by a piece of their name, and all parts of a sum', () => {
  const names = (filter: readonly string[]) =>
    GROUPS.flatMap((group) => selected(group, filter).cases.map((c) => c.name));
  assert.equal(names(['gemm 16x']), ['gemm 16x768x3072']);
  assert.is(names(['conv resnet18 sum']).length, 11);
  assert.equal(names(['no such case']), []);
  assert.is(
    names([]).length,
    GROUPS.reduce((n, g) => n + g.cases.length, 0),
  );
});

test('the README table has ratio and goal of every row with one, by build', () => {
  const row = (build: 'plain' | 'relaxed', ratio: number | null, goal: number | null): BenchRow => ({
    ...timed('x', 'p', 1, 1),
    ratio,
    goal,
    build,
  });
  const report = { ...reportOf([], () => null), cases: [row('plain', 1.234, 1.2), row('relaxed', 1.5, 2)] };
  const table = speedTable(report);
  assert.match(table, /^\| work \| against \| plain \(goal\) \| relaxed \(goal\) \|\n/);
  assert.match(table, /\n\| x \| p \| 1\.23 \(1\.2\) \| 1\.50\* \(2\) \|\n/);
  assert.match(speedTable({ ...report, cases: [row('plain', null, 1)] }), /\| x \| p \| not measured \(1\) \| - \|/);
  const text = withSpeed(`a\n${START}\nold\n${END}\nb`, report);
  assert.is(text, `a\n${START}\n\n${table}\n\n${END}\nb`);
  assert.is(withSpeed(text, report), text);
  throws(() => withSpeed('nothing', report), /markers/);
  assert.is(reached(report.cases[1]!, 0), false);
});

test.run();
