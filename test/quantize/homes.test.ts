import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { allGraphs } from '../../src/graph/bodies.ts';
import { prepareModel, Session } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, readModel, withGraph, writeModel } from '../../src/onnx/index.ts';
import type { Graph, Model, Node } from '../../src/onnx/model.ts';
import { PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { tensor } from '../../src/tensor.ts';
import { loadWasm } from '../helpers.ts';
import { model, planFor, weights } from './models.ts';
import { RUNTIMES, runHere, runIn } from './run.ts';

const wasm = await loadWasm();

const K = 32;

/** y = x W where c, else x V (deeper, in a branch of its own, x U W): W is read on both sides, V and U on one. */
function branches(opset: number): Model {
  const body = (name: string, nodes: Node[], outputs: string[], held: string[]): Graph => ({
    name,
    nodes,
    initializers: held.map((w, i) => makeInitializer(w, weights([K, K], 3 + i + w.charCodeAt(0)))),
    inputs: [],
    outputs: outputs.map((o) => ({ name: o, elemType: 1, dims: [1, K] })),
    valueInfo: [],
    rest: new Uint8Array(0),
  });
  const product = (x: string, w: string, y: string) => makeNode('MatMul', [x, w], [y]);
  const inner = makeNode('If', ['d'], ['e'], {
    then_branch: { type: 'graph', value: body('i', [product('x', 'U', 'u'), product('u', 'W', 'uw')], ['uw'], ['U']) },
    else_branch: { type: 'graph', value: body('j', [product('x', 'V', 'xv')], ['xv'], ['V']) },
  });
  const outer = makeNode('If', ['c'], ['y'], {
    then_branch: { type: 'graph', value: body('t', [product('x', 'W', 'xw')], ['xw'], []) },
    else_branch: { type: 'graph', value: body('f', [inner, makeNode('Relu', ['e'], ['r'])], ['r'], []) },
  });
  const whole = model(
    {
      nodes: [outer],
      initializers: [makeInitializer('W', weights([K, K], 1))],
      inputs: [
        { name: 'c', elemType: 9, dims: [] },
        { name: 'd', elemType: 9, dims: [] },
        { name: 'x', elemType: 1, dims: [1, K] },
      ],
      outputs: [{ name: 'y', elemType: 1, dims: [1, K] }],
    },
    opset,
  );
  return readModel(writeModel(whole), 'branches');
}

const makers = (graph: Graph) => new Set(graph.nodes.flatMap((n) => n.outputs));

for (const opset of [11, 18])
  test(`opset ${opset}: a weight that one branch alone reads is decoded in it, to the same value`, async () => {
    const prepared = prepareModel(branches(opset));
    assert.equal([...prepared.graph.initializers].map((t) => t.name).sort(), ['U', 'V', 'W']);
    const result = new PrecisionAwareQuantizer(wasm, { clip: 'max' }).quantizeModel(
      prepared,
      planFor(prepared, (i) => ({ bits: [3, 4, 6][i]!, symmetric: i === 1 })),
    );
    const written = readModel(writeModel(result.model), 'written');
    const graphs = new Map([...allGraphs(written.graph)].map((g) => [g.name, g]));
    for (const [name, graph] of graphs) {
      const made = ['U', 'V', 'W'].filter((w) => makers(graph).has(w));
      assert.equal(made, { i: ['U'], j: ['V'], t: [], f: [] }[name] ?? ['W'], `graph ${name}`);
    }
    const floats = withGraph(prepared, {
      initializers: prepared.graph.initializers.map((t) =>
        makeInitializer(t.name, result.layers.find((l) => l.weight === t.name)!.values),
      ),
    });
    for (const [c, d] of [
      [1, 0],
      [0, 1],
      [0, 0],
    ] as const) {
      const bool = (v: number) => tensor('bool', [], Uint8Array.of(v));
      const feeds = { c: bool(c), d: bool(d), x: weights([1, K], 9) };
      for (const runtime of [...RUNTIMES, 'here'] as const) {
        const run = (m: Model) =>
          runtime === 'here' ? runHere(wasm, writeModel(m), feeds) : runIn(runtime, writeModel(m), feeds);
        const [expected, found] = [await run(floats), await run(written)];
        assert.equal([...found.y!], [...expected.y!], `${runtime}, c ${c}, d ${d}`);
        assert.ok(found.y!.some((v) => v !== 0));
      }
    }
  });

test('the executor decodes what branches hold once, however often they are run', () => {
  const prepared = prepareModel(branches(17));
  const result = new PrecisionAwareQuantizer(wasm).quantizeModel(
    prepared,
    planFor(prepared, () => ({ bits: 4, symmetric: false })),
  );
  const before = wasm.arena.used;
  const session = new Session(readModel(writeModel(result.model)), wasm);
  const held = wasm.arena.used;
  assert.ok(held - before >= 3 * 4 * K * K, `${held - before} bytes`);
  const bool = tensor('bool', [], Uint8Array.of(0));
  for (let i = 0; i < 3; i++) session.run({ c: bool, d: bool, x: weights([1, K], i) });
  assert.is(wasm.arena.used, held);
  session.dispose();
});

test.run();
