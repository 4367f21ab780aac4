import { posix } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { filesUnder, importsOf, read } from './sources.ts';

interface Room {
  /** Rooms it may import values from. `base` are the top-level files open to all. */
  readonly values: readonly string[];
  /** Rooms it may import types from as well. */
  readonly types?: readonly string[];
  /** What else: packages, and files that the build leaves where they are. */
  readonly packages?: readonly string[];
}

const ROOMS = [
  'onnx',
  'wasm',
  'grid',
  'ops',
  'graph',
  'gradient',
  'data',
  'calibrate',
  'curvature',
  'allocate',
  'quantize',
  'tune',
  'verify',
  'report',
];

/** docs/architecture.md: who may import whom. */
const TABLE: Readonly<Record<string, Room>> = {
  base: { values: [] },
  onnx: {
    values: [],
    packages: ['onnx-proto', 'protobufjs', 'protobufjs/minimal', 'protobufjs/minimal.js', 'onnx-proto/dist/onnx.js'],
  },
  wasm: { values: [], packages: ['@assemblyscript/loader'] },
  grid: { values: ['wasm'], types: ['allocate'] },
  ops: { values: ['wasm', 'grid'], types: ['onnx'] },
  graph: { values: ['onnx', 'ops', 'wasm'] },
  gradient: { values: ['onnx', 'graph', 'ops', 'wasm'] },
  data: { values: ['onnx'], packages: ['fflate', 'jpeg-js'] },
  calibrate: { values: ['graph', 'grid', 'wasm', 'data'], types: ['onnx', 'ops'] },
  curvature: { values: ['calibrate', 'gradient', 'graph', 'grid', 'wasm'], types: ['onnx', 'ops', 'data', 'allocate'] },
  allocate: { values: [] },
  quantize: { values: ['onnx', 'graph', 'grid', 'calibrate', 'wasm'], types: ['allocate', 'data'] },
  tune: {
    values: ['gradient', 'graph', 'grid', 'curvature', 'data', 'wasm'],
    types: ['onnx'],
  },
  verify: {
    values: ['graph', 'curvature', 'grid', 'wasm'],
    types: ['onnx', 'data', 'calibrate', 'allocate', 'quantize'],
  },
  report: {
    values: [],
    types: ROOMS,
    packages: ['cli-table3', 'echarts/charts', 'echarts/components', 'echarts/core', 'echarts/renderers'],
  },
  analyzer: { values: ROOMS },
  jobs: { values: [...ROOMS, 'analyzer'] },
  index: { values: [...ROOMS, 'analyzer', 'jobs'] },
  core: { values: [...ROOMS, 'analyzer', 'jobs'] },
  node: { values: [...ROOMS, 'jobs', 'index'], packages: ['node:'] },
  browser: { values: ['index', 'wasm'] },
  edge: { values: ['index', 'wasm'], packages: ['./kernels.wasm'] },
  'edge-light': { values: ['index', 'wasm'], packages: ['./kernels.wasm?module'] },
  cli: {
    values: ['node', 'report'],
    types: [...ROOMS, 'jobs', 'index'],
    packages: ['node:', 'commander', 'cli-progress', 'picocolors'],
  },
};

/** Top-level files every room may import. */
const BASE = ['errors', 'tensor', 'progress', 'version', 'math'];

function roomOf(path: string): string {
  const [, first, ...rest] = path.split('/');
  if (rest.length > 0) return first!;
  const name = first!.replace(/\.ts$/, '');
  return BASE.includes(name) ? 'base' : name;
}

/** @returns why a file in src/ may not import that, or undefined */
function objection(file: string, from: string, type: boolean): string | undefined {
  const room = roomOf(file);
  const rules = TABLE[room];
  if (!rules) return `${file}: belongs to no room of the table`;
  const packages = rules.packages ?? [];
  if (packages.includes(from) || (from.startsWith('node:') && packages.includes('node:'))) return undefined;
  if (!from.startsWith('.')) return `${file}: may not import '${from}'`;
  if (!/\.(ts|json)$/.test(from)) return `${file}: '${from}' lacks its extension`;
  const target = posix.normalize(posix.join(posix.dirname(file), from));
  if (target === 'package.json') return undefined;
  if (!target.startsWith('src/')) return `${file}: '${from}' leaves src/`;
  const other = roomOf(target);
  if (other === room || other === 'base' || rules.values.includes(other)) return undefined;
  if (type && rules.types?.includes(other)) return undefined;
  return `${file}: ${room} may not import ${type ? 'types' : 'values'} of ${other} ('${from}')`;
}

const sources = filesUnder('src', '.ts');

test('imports in src/ follow the table', () => {
  assert.ok(sources.length > 0);
  const wrong = sources.flatMap((file) =>
    importsOf(read(file)).flatMap(({ from, type }) => objection(file, from, type) ?? []),
  );
  assert.equal(wrong, []);
});

test('nothing but the Node door and the command uses a global of Node', () => {
  const global = /(?<![\w.'"`-])(?:process|Buffer|__dirname|__filename|require)\s*[.([]/;
  const wrong = sources
    .filter((file) => !['node', 'cli'].includes(roomOf(file)))
    .flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((line, i) =>
          !/^\s*(?:\/?\*|\/\/)/.test(line) && global.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : [],
        ),
    );
  assert.equal(wrong, []);
  assert.ok(global.test('const x = process.env'));
  assert.not.ok(global.test('graph.process(x); preprocess.run(x)'));
});

test('kernels import each other and nothing else', () => {
  const wrong = filesUnder('assembly', '.ts').flatMap((file) =>
    importsOf(read(file))
      .filter(({ from }) => !from.startsWith('./') || from.includes('..'))
      .map(({ from }) => `${file}: '${from}'`),
  );
  assert.equal(wrong, []);
});

/** A cycle of the graph as a list of its nodes, first = last; or undefined. */
function cycleIn(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): string[] | undefined => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return undefined;
    path.push(node);
    for (const next of edges.get(node) ?? []) {
      const cycle = visit(next);
      if (cycle) return cycle;
    }
    path.pop();
    done.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const cycle = visit(node);
    if (cycle) return cycle;
  }
  return undefined;
}

function graphOf(name: (file: string) => string, types: boolean): Map<string, Set<string>> {
  const edges = new Map<string, Set<string>>();
  for (const file of sources)
    for (const { from, type } of importsOf(read(file))) {
      if (!from.startsWith('.') || (type && !types)) continue;
      const target = posix.normalize(posix.join(posix.dirname(file), from));
      if (name(target) === name(file)) continue;
      if (!edges.has(name(file))) edges.set(name(file), new Set());
      edges.get(name(file))!.add(name(target));
    }
  return edges;
}

test('no cycle between rooms, types included, and none between files at run time', () => {
  assert.is(cycleIn(graphOf(roomOf, true))?.join(' -> '), undefined);
  assert.is(cycleIn(graphOf((file) => file, false))?.join(' -> '), undefined);
});

test('the table itself has no cycle and names rooms that exist in it', () => {
  const edges = new Map(
    Object.entries(TABLE).map(([room, { values, types = [] }]) => [room, new Set([...values, ...types])]),
  );
  for (const targets of edges.values()) for (const target of targets) assert.ok(target in TABLE, target);
  assert.is(cycleIn(new Map([...edges].filter(([room]) => room !== 'report')))?.join(' -> '), undefined);
});

test('the scan sees what it looks for', () => {
  const source = `import type { A } from './a.ts';
import { type B, type C } from "./b.ts";
import d, { type D } from './d.ts';
import {
  e1,
  type e2,
} from './e.ts';
export * from './f.ts';
export type { G } from './g.ts';
import './h.ts';
const i = await import('./i.ts');
import * as j from 'j';
/** import nothing */
export const from = 'x';
let k: import('./k.ts').K;
`;
  assert.equal(
    importsOf(source)
      .map(({ from, type }) => `${from}${type ? ' type' : ''}`)
      .sort(),
    ['./a.ts type', './b.ts type', './d.ts', './e.ts', './f.ts', './g.ts type', './h.ts', './i.ts', './k.ts', 'j'],
  );
  assert.match(objection('src/ops/x.ts', 'node:fs', false)!, /may not import 'node:fs'/);
  assert.match(objection('src/ops/x.ts', '../graph/y.ts', true)!, /ops may not import types of graph/);
  assert.match(objection('src/ops/x.ts', '../onnx/y.ts', false)!, /ops may not import values of onnx/);
  assert.match(objection('src/ops/x.ts', './y.js', false)!, /lacks its extension/);
  assert.match(objection('src/ops/x.ts', '../../test/helpers.ts', false)!, /leaves src/);
  assert.match(objection('src/odd.ts', './errors.ts', false)!, /no room/);
  assert.is(objection('src/ops/x.ts', '../errors.ts', false), undefined);
  assert.is(objection('src/cli/x.ts', 'node:fs/promises', false), undefined);
  assert.equal(
    cycleIn(
      new Map([
        ['a', new Set(['b'])],
        ['b', new Set(['c'])],
        ['c', new Set(['b'])],
      ]),
    ),
    ['b', 'c', 'b'],
  );
});

test.run();
