import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers } from '../../../src/graph/index.ts';
import { makeNode, withGraph } from '../../../src/onnx/index.ts';
import type { Model } from '../../../src/onnx/model.ts';
import { whyNotMultiplied } from '../../../src/quantize/activations/operators.ts';
import { type Placement, place } from '../../../src/quantize/activations/place.ts';
import { residual, sequence } from './nets.ts';

const test = suite('quantize/activations/place');

function placed(m: Model, excluded: readonly string[] = []): Placement {
  const able = findLayers(m).layers.filter((l) => whyNotMultiplied(m, l) === undefined);
  return place(m, able, new Set(excluded));
}

const names = ({ sites }: Placement) => sites.map((s) => s.value);
const groups = ({ sites }: Placement, ...values: string[]) =>
  new Set(sites.filter((s) => values.includes(s.value)).map((s) => s.group)).size;

test('inputs and outputs of convolutions, what lies between them, and nothing else', () => {
  const found = placed(residual());
  assert.equal(names(found), ['x', 'r0', 'p', 'r1', 'c2', 'r2', 'c3', 'g', 'h']);
  assert.is(found.nodes.length, 5);
  const site = (v: string) => found.sites.find((s) => s.value === v)!;
  assert.not.ok(site('x').everywhere);
  for (const v of ['r0', 'p', 'r1', 'c2', 'r2', 'c3', 'g', 'h']) assert.ok(site(v).everywhere, v);
});

test('what only moves shares its scale; sums and averages have their own', () => {
  const found = placed(residual());
  assert.is(groups(found, 'r0', 'p'), 1);
  assert.is(groups(found, 'g', 'h'), 1);
  assert.is(groups(found, 'p', 'c2', 'r2', 'c3', 'g'), 5);
});

test('norms, Softmax, Erf and sums of floats stay in float', () => {
  const found = placed(sequence());
  assert.equal(names(found), ['n', 'e']);
  for (const { readers } of found.sites)
    assert.equal(
      [...readers].map((n) => n.opType),
      ['MatMul'],
    );
});

test('an excluded value takes the operators beside it with it', () => {
  const found = placed(residual(), ['r1']);
  assert.equal(
    found.nodes.map((n) => n.layer.weight),
    ['w0', 'w3', 'f'],
  );
  assert.equal(names(found), ['x', 'r0', 'r2', 'c3', 'g', 'h']);
  assert.equal(placed(sequence(), ['n', 'e']).sites, []);
});

test('a weight that one of its nodes reads as floats is left', () => {
  const m = sequence();
  const twice = withGraph(m, {
    nodes: [...m.graph.nodes.slice(0, -1), makeNode('MatMul', ['g2', 'a'], ['z']), m.graph.nodes.at(-1)!],
    inputs: [...m.graph.inputs, { name: 'g2', elemType: 1, dims: [1, 16] }],
    outputs: [...m.graph.outputs, { name: 'z', elemType: 1, dims: [1, 32] }],
  });
  assert.equal(names(placed(twice)), ['g2', 'n', 'e']);
  assert.equal(names(placed(twice, ['g2'])), ['e']);
});

test('why a layer stays in float', () => {
  const m = residual();
  const changed = (change: (inputs: readonly string[]) => string[], attributes = {}) => {
    const nodes = m.graph.nodes.map((n) =>
      n.opType === 'Gemm'
        ? makeNode('Gemm', change(n.inputs), n.outputs, { ...Object.fromEntries(n.attributes), ...attributes })
        : n,
    );
    const other = withGraph(m, { nodes });
    const layer = findLayers(other).layers.find((l) => l.weight === 'f')!;
    return whyNotMultiplied(other, layer);
  };
  assert.is(
    changed((v) => [...v]),
    undefined,
  );
  assert.match(changed((v) => [...v], { alpha: { type: 'float', value: 2 } }) ?? '', /factors/);
  assert.match(changed((v) => [v[0]!, v[1]!, 'h']) ?? '', /bias that is no constant/);
  assert.match(changed((v) => [v[0]!, v[1]!, 'zero']) ?? '', /bias of shape/);
});

test.run();
