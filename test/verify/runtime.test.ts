import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeNode, readModel, withGraph, writeModel } from '../../src/onnx/index.ts';
import { type DType, tensor, type TypedArray } from '../../src/tensor.ts';
import {
  boundOf,
  differenceOf,
  FLOAT_BOUND,
  failureOf,
  INTEGER_BOUND,
  median,
  objectionTo,
  naturesOf,
  type RuntimeResult,
  roundsActivations,
  runtimesFor,
  timesOf,
} from '../../src/verify/runtime.ts';
import { network } from '../e2e/command.ts';
import { loadWasm } from '../helpers.ts';
import { throws } from '../throws.ts';

const wasm = await loadWasm();
const one = (dtype: DType, data: TypedArray, dims = [data.length]) => [{ y: tensor(dtype, dims, data) }];
const floats = (...values: number[]) => one('float', Float32Array.from(values));

test('differences are relative to the largest magnitude of the output on all samples', () => {
  const ours = [...floats(1, 2), ...floats(-4, 0)];
  const found = differenceOf(wasm, ours, [...floats(1, 2.5), ...floats(-4, 0)]);
  assert.equal(found, { relative: 0.125, changed: 0, output: 'y', mismatch: null });
  assert.is(differenceOf(wasm, ours, ours).relative, 0);
  assert.is(differenceOf(wasm, floats(0, 0), floats(0, 0.5)).relative, 0.5, 'nothing to be relative to');
});

test('the output that is furthest off is named', () => {
  const values = (a: number, b: number) => [{ ...floats(a, 8)[0], z: floats(b, 8)[0]!.y }];
  assert.is(differenceOf(wasm, values(1, 1), values(1.5, 3)).output, 'z');
  assert.is(differenceOf(wasm, values(1, 1), values(3, 1.5)).output, 'y');
});

test('NaN equals NaN and an infinity itself, and nothing else', () => {
  const odd = floats(Number.NaN, Number.POSITIVE_INFINITY, 1);
  assert.is(differenceOf(wasm, odd, odd).relative, 0);
  for (const other of [floats(0, Number.POSITIVE_INFINITY, 1), floats(Number.NaN, Number.NEGATIVE_INFINITY, 1)])
    assert.is(differenceOf(wasm, odd, other).relative, Number.MAX_VALUE);
});

test('probabilities differ relative to 1, however small they are', () => {
  const model = readModel(network());
  assert.equal([...naturesOf(model).values()], [{ range: 0, masked: false }]);
  const { nodes } = model.graph;
  const made = (...more: ReturnType<typeof makeNode>[]) => {
    const renamed = nodes.map((n) => (n.outputs[0] === 'logits' ? { ...n, outputs: ['z'], wire: undefined } : n));
    return naturesOf(withGraph(model, { nodes: [...renamed, ...more] })).get('logits')?.range;
  };
  assert.is(made(makeNode('Sigmoid', ['z'], ['logits'])), 1);
  assert.is(made(makeNode('Softmax', ['z'], ['p']), makeNode('Identity', ['p'], ['logits'])), 1);
  assert.is(made(makeNode('Tanh', ['z'], ['logits'])), 0);
  const sure = makeNode('Sigmoid', ['z'], ['p']);
  const chosen = (by: string) => [
    makeNode(by, ['p', 'p'], ['chosen']),
    makeNode('Cast', ['chosen'], ['mask'], { to: { type: 'int', value: 1 } }),
    makeNode('Mul', ['p', 'mask'], ['logits']),
  ];
  const masked = (by: string) => naturesOf(withGraph(model, { nodes: [sure, ...chosen(by)] })).get('logits')?.masked;
  assert.equal([masked('Equal'), masked('Add')], [true, false]);
  assert.equal([made(sure, ...chosen('Equal')), made(sure, ...chosen('Add'))], [1, 0]);
  assert.is(made(makeNode('Mul', ['logits', 'logits'], ['logits'])), 0, 'products without end');
  const branch = (node: ReturnType<typeof makeNode>) => {
    const outputs = [{ name: 'b', elemType: 1, dims: undefined }];
    return { type: 'graph', value: { ...model.graph, nodes: [node], inputs: [], outputs } } as const;
  };
  const either = (name: string) =>
    makeNode('If', ['c'], ['logits'], {
      then_branch: branch(makeNode('Identity', ['p'], ['b'])),
      else_branch: branch(makeNode(name, ['z'], ['b'])),
    });
  const outside = makeNode('Sigmoid', ['z'], ['p']);
  assert.equal([made(outside, either('Softmax')), made(outside, either('Tanh'))], [1, 0]);
  assert.is(made(makeNode('Identity', ['logits'], ['logits'])), 0, 'a loop ends');
  assert.is(differenceOf(wasm, floats(1e-6), floats(2e-6)).relative, 1);
  assert.ok(
    differenceOf(wasm, floats(1e-6), floats(2e-6), new Map([['y', { range: 1, masked: false }]])).relative < 1.1e-6,
  );
});

test('of values that a comparison keeps or makes 0, ties count as changed', () => {
  const nature = new Map([['y', { range: 0, masked: true }]]);
  const [ours, theirs] = [floats(0.5, 0, 0.25), floats(0.5, 0.125, 0.25)];
  assert.equal(differenceOf(wasm, ours, theirs, nature), { relative: 0, changed: 1 / 3, output: 'y', mismatch: null });
  assert.is(differenceOf(wasm, ours, theirs).relative, 0.25);
  assert.is(differenceOf(wasm, ours, floats(0.5, 0, 0.5), nature).relative, 0.5);
});

test('half precision, long integers and truth values', () => {
  const half = (...bits: number[]) => one('float16', Uint16Array.from(bits));
  assert.is(differenceOf(wasm, half(0x3c00, 0x4000), half(0x3c00, 0x3e00)).relative, 0.25, '1, 2 and 1, 1.5');
  const brain = (...bits: number[]) => one('bfloat16', Uint16Array.from(bits));
  assert.is(differenceOf(wasm, brain(0x3f80, 0x4000), brain(0x3f80, 0x3fc0)).relative, 0.25);
  const long = differenceOf(wasm, one('int64', BigInt64Array.of(1n, 2n)), one('int64', BigInt64Array.of(1n, 3n)));
  assert.equal([long.relative, long.changed], [0, 0.5]);
  const truth = differenceOf(wasm, one('bool', Uint8Array.of(1, 1)), one('bool', Uint8Array.of(1, 1)));
  assert.is(truth.changed, 0);
});

test('another shape or type, or no such output, is a mismatch', () => {
  const ours = floats(1, 2);
  const said = (theirs: ReturnType<typeof floats>) => differenceOf(wasm, ours, theirs).mismatch;
  assert.is(said(one('float', Float32Array.of(1, 2), [1, 2])), "output 'y' is float [1,2], expected float [2]");
  assert.is(said(one('double', Float64Array.of(1, 2))), "output 'y' is double [2], expected float [2]");
  assert.is(differenceOf(wasm, ours, [{}]).mismatch, "no output 'y'");
  assert.is(differenceOf(wasm, ours, []).mismatch, "no output 'y'");
});

test('bounds: of float arithmetic, of integer activations, of what the original differs by', () => {
  const model = readModel(network());
  assert.is(roundsActivations(model), false);
  assert.is(boundOf(model, null), FLOAT_BOUND);
  assert.is(boundOf(model, 1e-6), FLOAT_BOUND);
  assert.is(boundOf(model, 5e-5), 2e-4);
  assert.is(boundOf(model, 1), 4 * FLOAT_BOUND, 'an original that is wrong altogether excuses nothing');
  const node = makeNode('QuantizeLinear', ['x', 's'], ['q']);
  const rounding = withGraph(model, { nodes: [...model.graph.nodes, node] });
  assert.is(roundsActivations(rounding), true);
  assert.is(boundOf(rounding, null), INTEGER_BOUND);
  assert.is(boundOf(rounding, null, 1e-3), INTEGER_BOUND);
  assert.is(boundOf(rounding, null, 0.03), 0.03, 'as much as rounding changes the output');
  assert.is(boundOf(rounding, null, 1), 4 * INTEGER_BOUND, 'a file that is wrong altogether excuses nothing');
  assert.is(boundOf(model, null, 0.03), FLOAT_BOUND, 'float arithmetic has no such excuse');
  const branch = makeNode('If', ['c'], ['r'], {
    then_branch: { type: 'graph', value: { ...model.graph, nodes: [node] } },
  });
  assert.is(roundsActivations(withGraph(model, { nodes: [branch] })), true);
  assert.ok(writeModel(rounding).length > 0);
});

test('objections name output, difference and bound', () => {
  const found = { relative: 3e-4, changed: 0, output: 'y', mismatch: null };
  assert.is(objectionTo(found, 1e-3), null);
  assert.is(objectionTo(found, 1e-4), "output 'y' differs by 3.0e-4 of its largest magnitude, expected at most 1e-4");
  assert.is(objectionTo({ ...found, relative: 0, changed: 0.5 }, 1e-4), "50.0 % of the elements of output 'y' differ");
  assert.is(objectionTo({ ...found, mismatch: 'no output' }, 1), 'no output');
});

test('times are medians, and their ratio is of speed', () => {
  assert.equal(timesOf([3, 1, 2], [8, 4, 2, 4]), { written: 2, original: 4, speed: 2 });
  assert.is(median([1, 2]), 1.5);
  throws(() => median([]), RangeError, /median: expected finite numbers, found \[\]/);
  throws(() => timesOf([0], [1]), RangeError, /times: expected numbers above 0, found 0 and 1/);
});

test('a file must agree in the runtimes it is written for', () => {
  assert.equal(runtimesFor('any'), ['onnxruntime-web', 'onnxruntime-node']);
  assert.equal([runtimesFor('web'), runtimesFor('webgpu')], [['onnxruntime-web'], ['onnxruntime-web']]);
  assert.equal(runtimesFor('node'), ['onnxruntime-node']);
});

test('only runtimes that a file was written for fail it', () => {
  const result = (status: RuntimeResult['status'], required: boolean) => ({ status, required }) as RuntimeResult;
  const report = (...runtimes: RuntimeResult[]) => ({
    samples: 1,
    from: 'drawn inputs' as const,
    note: null,
    runtimes,
  });
  assert.is(failureOf(report(result('agrees', true), result('skipped', true), result('refused', false))), undefined);
  const bad = result('differs', true);
  assert.is(failureOf(report(result('agrees', true), bad)), bad);
});

test.run();
