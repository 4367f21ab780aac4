import { basename } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readModel, withGraph, writeModel } from '../../src/onnx/index.ts';
import type { Graph, Model } from '../../src/onnx/index.ts';
import {
  attribute,
  fixed32,
  graph,
  int,
  join8,
  len,
  model,
  node,
  opset,
  projectModels,
  read,
  survives,
  tensorProto,
  valueInfo,
  varint,
} from './build.ts';

/** Reads everything there is in a model, and writes it again. */
function exercise(bytes: Uint8Array): void {
  const m = readModel(bytes, 'm');
  visit(m.graph);
  writeModel(withGraph(m, {}));
}

function visit(g: Graph): void {
  for (const t of g.initializers) survives(() => t.tensor());
  for (const n of g.nodes)
    for (const a of n.attributes.values())
      if (a.type === 'graph') visit(a.value);
      else survives(() => a.value);
}

/** A small model with every kind of field. */
const dense = join8(
  model(
    graph(
      len(5, tensorProto('a', 1, [2], fixed32(4, 1), fixed32(4, 2))),
      len(5, tensorProto('b', 7, [3], len(7, join8(varint(-1), varint(5), varint(2n ** 62n))))),
      len(5, tensorProto('c', 22, [3], len(9, Uint8Array.of(0x12, 3)))),
      len(5, tensorProto('d', 1, [1], len(13, join8(len(1, 'location'), len(2, 'x'))), int(14, 1))),
      len(
        1,
        node(
          'If',
          ['y'],
          ['z'],
          attribute('then_branch', 5, len(6, graph())),
          attribute('k', 7, int(8, 1), len(8, varint(300))),
        ),
      ),
      len(1, node('Constant', [], ['k'], attribute('value', 4, len(5, tensorProto('', 6, [1], int(5, 3)))))),
      len(13, valueInfo('q', 7, [3, 'T', null])),
    ),
    len(25, join8(len(1, 'f'), len(10, 'my'), len(7, node('Neg', ['a'], ['b'])))),
    opset(1, 'my'),
  ),
);

test('the small model is sound', () => exercise(dense));

test('every byte of it changed in turn', () => {
  let accepted = 0;
  for (let at = 0; at < dense.length; at++) {
    for (const x of [1, 2, 4, 8, 16, 32, 64, 128, 255]) {
      const bytes = dense.slice();
      bytes[at]! ^= x;
      if (survives(() => exercise(bytes))) accepted++;
    }
  }
  assert.ok(accepted > dense.length, 'names and numbers may change');
  assert.ok(accepted < dense.length * 9, 'damage is noticed');
});

test('every prefix and every suffix of it', () => {
  for (let n = 0; n < dense.length; n++) {
    survives(() => exercise(dense.subarray(0, n)));
    survives(() => exercise(dense.subarray(n)));
  }
});

/** Bytes of a file where a change touches structure rather than weights. */
function structure(bytes: Uint8Array, m: Model): number[] {
  const skip = new Set<number>();
  for (const { wire } of m.graph.initializers)
    for (let i = 48; i < wire!.length; i++) skip.add(wire!.byteOffset - bytes.byteOffset + i);
  return [...bytes.keys()].filter((i) => !skip.has(i));
}

interface Edit {
  kind: 'flip' | 'set' | 'cut' | 'copy' | 'truncate';
  at: number;
  from: number;
  length: number;
  value: number;
}
const edits = fc.array(
  fc.record<Edit>({
    kind: fc.constantFrom('flip', 'set', 'cut', 'copy', 'truncate'),
    at: fc.nat(),
    from: fc.nat(),
    length: fc.integer({ min: 1, max: 40 }),
    value: fc.integer({ min: 0, max: 255 }),
  }),
  { minLength: 1, maxLength: 4 },
);

function mutate(bytes: Uint8Array, where: readonly number[], list: readonly Edit[]): Uint8Array {
  let out: Uint8Array = bytes.slice();
  for (const { kind, at, from, length, value } of list) {
    const i = Math.min(where[at % where.length]!, out.length - 1);
    const j = Math.min(where[from % where.length]!, out.length - 1);
    if (out.length === 0) break;
    if (kind === 'flip') out[i]! ^= 1 << (value & 7);
    else if (kind === 'set') out[i] = value;
    else if (kind === 'cut') out = join8(out.subarray(0, i), out.subarray(i + length));
    else if (kind === 'copy') out = join8(out.subarray(0, i), out.subarray(j, j + length), out.subarray(i));
    else if (value < 64) out = out.slice(0, i);
  }
  return out;
}

for (const file of [...projectModels().filter((f) => /mnist-mlp\.onnx|resnet/.test(f)), 'dense']) {
  const bytes = file === 'dense' ? dense : read(file);
  const where = structure(bytes, readModel(bytes));
  test(`${basename(file)} with bytes flipped, cut, copied and truncated parses or is refused by a KappaError`, () => {
    let refused = 0;
    fc.assert(
      fc.property(edits, (list) => {
        if (!survives(() => exercise(mutate(bytes, where, list)))) refused++;
      }),
      { seed: 2, numRuns: file === 'dense' ? 3000 : 150 },
    );
    assert.ok(refused > 10, `${refused} refused`);
  });
}

test('random bytes behind a sound start', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
      survives(() => exercise(join8(int(1, 8), tail)));
      survives(() => exercise(join8(int(1, 8), opset(17), len(7, tail))));
      survives(() => exercise(model(graph(len(1, join8(len(4, 'A'), tail))))));
      survives(() => exercise(model(graph(len(5, join8(len(8, 'w'), tail))))));
    }),
    { seed: 3, numRuns: 1000 },
  );
});

test('many tiny messages do not take memory out of proportion', () => {
  const many = new Uint8Array(4_000_000);
  for (let i = 0; i < many.length; i += 2) many[i] = 0x0a;
  const before = process.memoryUsage().heapUsed;
  assert.not.ok(survives(() => readModel(model(many))));
  assert.ok(process.memoryUsage().heapUsed - before < 400e6);
});

test.run();
