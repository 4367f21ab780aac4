import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import {
  type External,
  embedded,
  makeInitializer,
  readModel,
  withGraph,
  writeModel,
  writeModelFiles,
} from '../../src/onnx/index.ts';
import { tensor } from '../../src/tensor.ts';
import { graph, int, join8, len, model, tensorProto, throwsKappa } from './build.ts';

const entry = (key: string, value: string) => len(13, join8(len(1, key), len(2, value)));
const outer = (name: string, count: number, offset: number) =>
  len(5, tensorProto(name, 1, [count], entry('location', 'w.bin'), entry('offset', `${offset}`), int(14, 1)));

const FILE = Float32Array.from({ length: 1000 }, (_, i) => i);
const external: External = (location, offset, length) => {
  assert.is(location, 'w.bin');
  return new Uint8Array(FILE.buffer, offset, length);
};

const bytes = model(graph(outer('a', 4, 0), outer('b', 600, 400)));

test('tensors are read by range whenever they are asked for', () => {
  const calls: number[] = [];
  const counted: External = (...args) => {
    calls.push(args[1]);
    return external(...args);
  };
  const [a, b] = readModel(bytes, 'm', { external: counted }).graph.initializers;
  assert.equal(calls, []);
  assert.is(a!.external, 'w.bin');
  assert.is(b!.tensor().data[0], 100);
  assert.is(b!.tensor().data[599], 699);
  assert.equal(calls, [400, 400]);
});

test('an unchanged model is written as it came, embedding brings the tensors in', () => {
  const m = readModel(bytes, 'm', { external });
  assert.equal(writeModel(m), bytes);
  const whole = readModel(writeModelFiles(m).bytes);
  for (const [i, t] of whole.graph.initializers.entries()) {
    assert.is(t.external, undefined);
    assert.equal(t.tensor(), m.graph.initializers[i]!.tensor());
  }
});

test('a model without external data is embedded already', () => {
  const m = readModel(model());
  assert.is(embedded(m), m);
  assert.is(writeModelFiles(m, 'x.data').bytes, writeModel(m));
});

test('external tensors in bodies are brought in', () => {
  const branch = join8(
    len(1, join8(len(2, 'o'), len(4, 'Identity'), len(1, 'a'))),
    len(2, 'then'),
    outer('a', 4, 8),
    len(12, join8(len(1, 'o'))),
  );
  const attribute = len(5, join8(len(1, 'then_branch'), len(6, branch), int(20, 5)));
  const node = len(1, join8(len(1, 'c'), len(2, 'z'), len(4, 'If'), attribute));
  const m = embedded(readModel(model(graph(node)), 'm', { external }));
  const found = readModel(writeModel(m)).graph.nodes.at(-1)!.attributes.get('then_branch')!;
  assert.ok(found.type === 'graph');
  assert.equal(
    [
      ...((found.value as { initializers: readonly { tensor(): { data: unknown } }[] }).initializers[0]!.tensor()
        .data as Float32Array),
    ],
    [2, 3, 4, 5],
  );
});

test('a model over the limit keeps its larger tensors in a second file', () => {
  const m = withGraph(readModel(model()), {
    initializers: [
      makeInitializer('big', tensor('float', [1000], FILE)),
      makeInitializer('small', tensor('float', [3], Float32Array.of(7, 8, 9))),
      makeInitializer('nibbles', tensor('int4', [2051], new Int8Array(2051).fill(-3))),
    ],
  });
  assert.is(writeModelFiles(m, 'm.data').data, undefined, 'below the limit there is one file');
  const { bytes: first, data } = writeModelFiles(m, 'm.data', 2000);
  const pieces = [...data!.pieces()];
  const second = new Uint8Array(join8(...pieces));
  assert.is(second.length, data!.length);
  const read: External = (location, offset, length) => {
    assert.is(location, 'm.data');
    assert.is(offset % 4096, 0);
    return second.subarray(offset, offset + length);
  };
  const back = readModel(first, 'back', { external: read });
  assert.equal(
    back.graph.initializers.map((t) => t.external),
    ['m.data', undefined, 'm.data'],
  );
  for (const [i, t] of back.graph.initializers.entries()) assert.equal(t.tensor(), m.graph.initializers[i]!.tensor());
  assert.equal(writeModel(back), first);
});

test('what does not fit', () => {
  const wrong = model(
    graph(len(5, tensorProto('a', 1, [4], entry('location', 'w.bin'), entry('length', '15'), int(14, 1)))),
  );
  throwsKappa(
    () => readModel(wrong, 'm', { external }).graph.initializers[0]!.tensor(),
    ModelError,
    /'a'.*expected 16 bytes, found a length of 15/,
  );
});

test.run();
