import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as fc from 'fast-check';
import { chooseLosses, DAMAGE_CAP, DamageMeter, type OutputLoss } from '../../src/curvature/damage.ts';
import { DataError, KappaError, UsageError } from '../../src/errors.ts';
import { makeNode, makeValueInfo } from '../../src/onnx/index.ts';
import type { Attribute, Model } from '../../src/onnx/model.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { model as demonstration } from '../demonstration.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { model } from '../quantize/models.ts';

const test = suite('curvature/damage');
const wasm = await loadWasm();

const KL: OutputLoss = { output: 'y', loss: 'kl', probabilities: false };
const NSE: OutputLoss = { output: 'y', loss: 'nse', probabilities: false };

const matrix = (rows: number, cols: number, data: ArrayLike<number>): Tensor =>
  tensor('float', [rows, cols], Float32Array.from(data));

function read(
  losses: readonly OutputLoss[],
  ...batches: (readonly [Record<string, Tensor>, Record<string, Tensor>])[]
) {
  const meter = new DamageMeter(wasm, losses);
  for (const [p, q] of batches) meter.add(p, q);
  return meter.read();
}

function softmax(x: readonly number[]): number[] {
  const max = Math.max(...x);
  const e = x.map((v) => Math.exp(v - max));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}

/** Mean KL of rows of probabilities, f64. */
function divergence(p: readonly number[][], q: readonly number[][]): number {
  let total = 0;
  p.forEach((row, r) =>
    row.forEach((v, c) => {
      if (v > 0) total += v * (Math.log(v) - Math.log(q[r]![c]!));
    }),
  );
  return total / p.length;
}

const rowsOf = (t: Tensor): number[][] => {
  const cols = t.dims.at(-1)!;
  return Array.from({ length: t.data.length / cols }, (_, r) =>
    Array.from(t.data.subarray(r * cols, (r + 1) * cols) as Float32Array),
  );
};

test('KL of scores is that of an f64 twin, over batches of any sizes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 2, max: 40 }), fc.nat(), (rows, cols, seed) => {
      const p = matrix(rows, cols, normals(rows * cols, random(seed), 3));
      const q = matrix(rows, cols, normals(rows * cols, random(seed + 1), 3));
      const expected = divergence(rowsOf(p).map(softmax), rowsOf(q).map(softmax));
      assert.ok(Math.abs(read([KL], [{ y: p }, { y: q }]) - expected) <= 1e-9 + 1e-6 * expected);
      const cut = (t: Tensor, from: number, to: number) =>
        matrix(to - from, cols, t.data.subarray(from * cols, to * cols) as Float32Array);
      const half = rows >> 1;
      if (half === 0) return;
      const parts = read(
        [KL],
        [{ y: cut(p, 0, half) }, { y: cut(q, 0, half) }],
        [{ y: cut(p, half, rows) }, { y: cut(q, half, rows) }],
      );
      assert.ok(Math.abs(parts - expected) <= 1e-9 + 1e-6 * expected);
    }),
    { numRuns: 60 },
  );
});

test('small differences are not lost: KL near the curvature of the softmax', () => {
  // KL(p || softmax(z + d)) = Var_p(d) / 2 + O(d^3)
  const z = [...normals(10, random(1), 2)];
  const p = softmax(z);
  for (const size of [1e-1, 1e-2, 1e-3]) {
    const d = Array.from(normals(10, random(2), size));
    const mean = p.reduce((a, v, i) => a + v * d[i]!, 0);
    const variance = p.reduce((a, v, i) => a + v * (d[i]! - mean) ** 2, 0);
    const found = read(
      [KL],
      [
        { y: matrix(1, 10, z) },
        {
          y: matrix(
            1,
            10,
            z.map((v, i) => v + d[i]!),
          ),
        },
      ],
    );
    assert.ok(Math.abs(found / (variance / 2) - 1) < 0.02 + size, `${size}: ${found} ${variance / 2}`);
  }
});

test('outputs that are probabilities are not normalised again', () => {
  const p = rowsOf(matrix(4, 6, normals(24, random(3), 2))).map(softmax);
  const q = rowsOf(matrix(4, 6, normals(24, random(4), 2))).map(softmax);
  const pair = [{ y: matrix(4, 6, p.flat()) }, { y: matrix(4, 6, q.flat()) }] as const;
  const expected = divergence(p, q);
  assert.ok(Math.abs(read([{ ...KL, probabilities: true }], pair) - expected) < 1e-6 * expected);
  assert.not.ok(Math.abs(read([KL], pair) - expected) < 1e-2 * expected);
});

test('nse is squared error over squared norm, of all batches together', () => {
  const [p, q] = [normals(30, random(5)), normals(30, random(6))];
  let [error, norm] = [0, 0];
  p.forEach((v, i) => {
    error += (v - q[i]!) ** 2;
    norm += v * v;
  });
  const cut = (x: Float32Array, from: number, to: number) => ({ y: matrix((to - from) / 3, 3, x.subarray(from, to)) });
  const found = read([NSE], [cut(p, 0, 12), cut(q, 0, 12)], [cut(p, 12, 30), cut(q, 12, 30)]);
  assert.ok(Math.abs(found - error / norm) < 1e-6 * found);
});

test('several outputs: their mean', () => {
  const pair = (seed: number) =>
    [matrix(3, 4, normals(12, random(seed))), matrix(3, 4, normals(12, random(seed + 1)))] as const;
  const [a, b] = pair(10);
  const [c, d] = pair(20);
  const second: OutputLoss = { output: 'z', loss: 'nse', probabilities: false };
  const found = read(
    [KL, second],
    [
      { y: a, z: c },
      { y: b, z: d },
    ],
  );
  const alone = [read([KL], [{ y: a }, { y: b }]), read([second], [{ z: c }, { z: d }])];
  assert.ok(Math.abs(found - (alone[0]! + alone[1]!) / 2) < 1e-12);
});

test('the same outputs have no damage; those that are not finite all there is', () => {
  const p = matrix(3, 4, normals(12, random(7)));
  for (const loss of [KL, NSE]) {
    assert.is(read([loss], [{ y: p }, { y: p }]), 0);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const q = { ...p, data: p.data.slice() as Float32Array };
      q.data[5] = bad;
      assert.is(read([loss], [{ y: p }, { y: q }]), DAMAGE_CAP, `${loss.loss} ${bad}`);
    }
  }
  const zero = matrix(1, 4, [0, 0, 0, 0]);
  assert.is(read([NSE], [{ y: zero }, { y: matrix(1, 4, [0, 1, 0, 0]) }]), DAMAGE_CAP, 'an error beside nothing');
  assert.is(read([NSE], [{ y: zero }, { y: zero }]), 0);
  assert.throws(
    () => read([KL], [{ y: p }, { y: matrix(4, 3, p.data as Float32Array) }]),
    (e: unknown) => e instanceof KappaError && /output y: expected shape \[3,4\], found \[4,3\]/.test(e.message),
  );
});

test('rows are kept on request', () => {
  const p = matrix(5, 4, normals(20, random(8)));
  const q = matrix(5, 4, normals(20, random(9)));
  const meter = new DamageMeter(wasm, [KL], true);
  meter.add({ y: p }, { y: q });
  assert.is(meter.rows.length, 5);
  assert.ok(Math.abs(meter.rows.reduce((a, b) => a + b, 0) / 5 - meter.read()) < 1e-12);
});

interface Output {
  readonly name?: string;
  readonly dims?: readonly (number | string)[] | undefined;
  readonly by?: string;
  readonly attributes?: Record<string, Attribute>;
  readonly dtype?: 'float' | 'int64';
}

function withOutputs(outputs: readonly Output[], opset = 17): Model {
  return model(
    {
      nodes: outputs.map((o, i) => makeNode(o.by ?? 'Relu', ['x'], [o.name ?? `y${i}`], o.attributes)),
      inputs: [makeValueInfo('x', 'float', ['N', 10])],
      outputs: outputs.map((o, i) => makeValueInfo(o.name ?? `y${i}`, o.dtype ?? 'float', o.dims)),
    },
    opset,
  );
}

const axis = (value: number): Record<string, Attribute> => ({ axis: { type: 'int', value } });

test('which loss is taken', () => {
  const kinds = (outputs: readonly Output[], labelled: boolean, loss: 'auto' | 'kl' | 'mse' = 'auto', opset = 17) =>
    chooseLosses(withOutputs(outputs, opset), labelled, loss).map((l) => l.loss + (l.probabilities ? ' p' : ''));
  const dims = ['N', 10];
  assert.equal(kinds([{ dims }], true), ['kl'], 'labels');
  assert.equal(kinds([{ dims }], false), ['nse'], 'nothing says that these are scores');
  assert.equal(kinds([{ dims, name: 'logits' }], false), ['kl'], 'a name');
  assert.equal(kinds([{ dims, by: 'Softmax' }], false), ['kl p'], 'a softmax');
  assert.equal(kinds([{ dims, by: 'LogSoftmax' }], false), ['kl'], 'log-probabilities are scores');
  assert.equal(kinds([{ dims: ['N', 1] }], true), ['nse'], 'one column is no distribution');
  assert.equal(kinds([{ dims: ['N'] }], true), ['nse'], 'no class axis');
  assert.equal(kinds([{ dims: undefined }], true), ['kl'], 'a shape that is not known');
  assert.equal(kinds([{ dims, name: 'logits' }], true, 'mse'), ['nse']);
  assert.equal(kinds([{ dims }], false, 'kl'), ['kl']);
  assert.equal(kinds([{ dims }, { dims: ['N', 1] }], false, 'kl'), ['kl', 'nse']);
  assert.equal(kinds([{ dims, dtype: 'int64' }, { dims }], true), ['kl'], 'only float outputs count');
  // A softmax over channels of an image is no distribution along the last axis.
  assert.equal(kinds([{ dims: ['N', 5, 8, 8], by: 'Softmax', attributes: axis(1) }], true), ['nse p']);
  assert.equal(kinds([{ dims: ['N', 8, 5], by: 'Softmax', attributes: axis(2) }], false), ['kl p']);
  assert.equal(kinds([{ dims: ['N', 8, 5], by: 'Softmax' }], false, 'auto', 11), ['nse p'], 'flattened from axis 1 on');
  assert.equal(kinds([{ dims, by: 'Softmax' }], false, 'auto', 11), ['kl p']);
});

test('a softmax behind nodes that pass it on', () => {
  const m = model(
    {
      nodes: [makeNode('Softmax', ['x'], ['s']), makeNode('Identity', ['s'], ['y'])],
      inputs: [makeValueInfo('x', 'float', ['N', 10])],
      outputs: [makeValueInfo('y', 'float', ['N', 10])],
    },
    17,
  );
  assert.equal(chooseLosses(m, false, 'auto'), [{ output: 'y', loss: 'kl', probabilities: true }]);
});

test('errors: no float output, no class axis', () => {
  const message = (type: typeof KappaError, pattern: RegExp) => (e: unknown) =>
    e instanceof type && pattern.test((e as Error).message);
  assert.throws(
    () => chooseLosses(withOutputs([{ dims: ['N', 3], dtype: 'int64' }]), true, 'auto'),
    message(DataError as unknown as typeof KappaError, /no float output/),
  );
  assert.throws(
    () => chooseLosses(withOutputs([{ dims: ['N', 1] }]), true, 'kl'),
    message(
      UsageError as unknown as typeof KappaError,
      /--loss kl: expected an output with a class axis, found y0; use --loss mse/,
    ),
  );
});

test('the demonstration models are judged by KL', () => {
  for (const name of ['mnist-mlp', 'resnet18-fashion', 'transformer-text'] as const)
    assert.equal(chooseLosses(demonstration(name), true, 'auto'), [
      { output: 'logits', loss: 'kl', probabilities: false },
    ]);
});

test.run();
