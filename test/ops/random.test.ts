import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { Session } from '../../src/graph/index.ts';
import { DATA_TYPES, type DType, type Tensor, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import {
  agree,
  type Attributes,
  doubles,
  float,
  floats,
  int,
  integers,
  ints,
  modelOf,
  of,
  runHere,
  same,
  scalar,
  wasm,
} from './compare.ts';

const type = (dtype: DType) => ({ dtype: int(DATA_TYPES[dtype]) });

function moments(t: Tensor): { mean: number; variance: number } {
  const v = Array.from(t.data as Float32Array);
  const mean = v.reduce((a, b) => a + b, 0) / v.length;
  return { mean, variance: v.reduce((a, b) => a + (b - mean) ** 2, 0) / v.length };
}

test('RandomUniform and RandomNormal: the numbers of the seed, moved and scaled', () => {
  const seed = float(42);
  const [u] = runHere('RandomUniform', [], { shape: ints(2, 2), seed, low: float(-1), high: float(3) });
  same(u!, of([2, 2], ...[0.37454012, 0.95071431, 0.73199394, 0.59865848].map((v) => 4 * v - 1)), 'uniform', 1e-6);
  const [z] = runHere('RandomNormal', [], { shape: ints(4), seed, mean: float(1), scale: float(2) });
  same(z!, of([4], ...[0.49671415, -0.1382643, 0.64768854, 1.52302986].map((v) => 2 * v + 1)), 'normal', 1e-6);
});

test('without a seed: the same in every run, another sequence for another node', () => {
  const attributes = { shape: ints(50, 40) };
  const [a] = runHere('RandomNormal', [], attributes);
  assert.equal(a!.data.slice(), runHere('RandomNormal', [], attributes)[0]!.data.slice());
  const { mean, variance } = moments(a!);
  assert.ok(Math.abs(mean) < 6 / Math.sqrt(2000), `mean ${mean}`);
  assert.ok(Math.abs(variance - 1) < 6 * Math.sqrt(2 / 2000), `variance ${variance}`);
  const model = modelOf('RandomNormal', [], attributes);
  const renamed = { ...model.graph.nodes[0]!, name: 'another' };
  const session = new Session({ ...model, graph: { ...model.graph, nodes: [renamed] } }, wasm);
  const b = session.run({})[session.outputs[0]!.name]!;
  session.dispose();
  assert.not.equal(b.data.slice(), a!.data.slice());
});

test('the Like forms take shape and, unless told, type from their input', () => {
  for (const op of ['RandomNormalLike', 'RandomUniformLike']) {
    const [y] = runHere(op, [doubles([2, 3], 0, 0, 0, 0, 0, 0)], { seed: float(1) });
    assert.is(y!.dtype, 'double');
    assert.equal(y!.dims, [2, 3]);
    for (const dtype of ['float', 'float16', 'bfloat16', 'double'] as const)
      assert.is(runHere(op, [integers('int32', [4], 0, 1)], { ...type(dtype), seed: float(1) })[0]!.dtype, dtype);
    throws(() => runHere(op, [integers('int32', [4], 0, 1)]), ModelError, /input: expected a floating type/);
  }
  throws(
    () => runHere('RandomUniform', [], { shape: ints(2), ...type('int32') }),
    ModelError,
    /"dtype": expected a floating type, found int32/,
  );
});

test('absurd shapes', () => {
  throws(() => runHere('RandomUniform', [], {}), ModelError, /"shape" is missing/);
  throws(() => runHere('RandomUniform', [], { shape: ints(-1) }), ModelError);
  throws(() => runHere('RandomNormal', [], { shape: ints(2 ** 40, 2 ** 40) }), Error);
});

test('Bernoulli', () => {
  const p = of([3000], ...Array.from({ length: 3000 }, (_, i) => (i < 1000 ? 0 : i < 2000 ? 1 : 0.25)));
  const [y] = runHere('Bernoulli', [p], { ...type('int32'), seed: float(3) }, { opset: 15 });
  const v = Array.from(y!.data as Int32Array);
  const ones = (from: number) => v.slice(from, from + 1000).reduce((a, b) => a + b, 0);
  assert.is(y!.dtype, 'int32');
  assert.is(ones(0), 0);
  assert.is(ones(1000), 1000);
  assert.ok(Math.abs(ones(2000) - 250) < 6 * Math.sqrt(1000 * 0.25 * 0.75), String(ones(2000)));
  assert.is(runHere('Bernoulli', [doubles([1], 0.5)], {}, { opset: 22 })[0]!.dtype, 'double');
  throws(() => runHere('Bernoulli', [of([1], 1.5)]), ModelError, /element 0 is 1.5, expected a probability/);
});

test('Multinomial: classes as often as their probabilities', () => {
  const logits = of([2, 3], ...[0.2, 0.3, 0.5].map(Math.log), 0, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY);
  for (const dtype of ['int32', 'int64'] as const) {
    const [y] = runHere('Multinomial', [logits], { ...type(dtype), sample_size: int(4000), seed: float(7) });
    assert.is(y!.dtype, dtype);
    assert.equal(y!.dims, [2, 4000]);
    const v = Array.from(y!.data as Int32Array, Number);
    for (const [c, p] of [0.2, 0.3, 0.5].entries()) {
      const found = v.slice(0, 4000).filter((x) => x === c).length;
      assert.ok(Math.abs(found - 4000 * p) < 6 * Math.sqrt(4000 * p * (1 - p)), `class ${c}: ${found}`);
    }
    assert.ok(v.slice(4000).every((x) => x === 0));
  }
  throws(() => runHere('Multinomial', [floats([3])]), ModelError, /expected shape \[batch, classes\], found \[3\]/);
  throws(() => runHere('Multinomial', [floats([1, 0])]), ModelError, /expected shape \[batch, classes\]/);
  throws(() => runHere('Multinomial', [of([1, 1], Number.NaN)]), ModelError, /row 0 has no probabilities/);
  throws(() => runHere('Multinomial', [floats([1, 2])], { sample_size: int(-1) }), ModelError, /"sample_size"/);
  throws(() => runHere('Multinomial', [floats([1, 2])], type('float')), UnsupportedError, /expected int32 or int64/);
});

test('Dropout passes its input on', async () => {
  await agree('Dropout', [floats([3, 4])]);
  await agree('Dropout', [floats([3, 4])], {}, { outputs: 2 });
  await agree('Dropout', [floats([3, 4])], { ratio: float(0.4) }, { opset: 7 });
  const half = tensor('float16', [2], Uint16Array.of(0x4000, 0));
  const [, mask] = runHere('Dropout', [half], {}, { opset: 7, outputs: 2 });
  same(mask!, tensor('float16', [2], Uint16Array.of(0x3c00, 0x3c00)), 'a mask of the input type');
});

test('Dropout in training', () => {
  const x = floats([50, 40], 1, 2);
  const run = (ratio: Tensor | undefined, attributes: Attributes = { seed: int(5) }, data = x) =>
    runHere('Dropout', [data, ratio, scalar('bool', 1)], attributes, { outputs: 2 });
  const [y, mask] = run(scalar('float', 0.75));
  assert.is(mask!.dtype, 'bool');
  const kept = Array.from(mask!.data as Uint8Array);
  const ones = kept.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(ones - 500) < 6 * Math.sqrt(2000 * 0.25 * 0.75), String(ones));
  same(y!, of(x.dims, ...Array.from(x.data as Float32Array, (v, i) => (kept[i] ? 4 * v : 0))), 'scaled');
  assert.equal(run(scalar('float', 0.75))[1]!.data.slice(), mask!.data.slice());
  assert.not.equal(run(scalar('float', 0.75), { seed: int(6) })[1]!.data.slice(), mask!.data.slice());
  same(run(scalar('float', 0))[0]!, x, 'ratio 0');
  const half = tensor('float16', [3], Uint16Array.of(0x3c00, 0x3c00, 0x3c00));
  for (const bits of run(undefined, {}, half)[0]!.data)
    assert.ok(bits === 0 || bits === 0x4000, 'ratio 1/2 by default');
  for (const ratio of [1, -0.1, Number.NaN])
    throws(() => run(scalar('float', ratio)), ModelError, /ratio: expected 0 <= ratio < 1/);
});

test.run();
