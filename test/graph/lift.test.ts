import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Session } from '../../src/graph/index.ts';
import { liftedDecoders } from '../../src/graph/lift.ts';
import type { Graph } from '../../src/onnx/model.ts';
import { tensor } from '../../src/tensor.ts';
import { loadWasm } from '../helpers.ts';
import { body, flag, graph, modelOf, node } from './build.ts';

const wasm = await loadWasm();

const FLOAT = { to: { type: 'int', value: 1 } } as const;
const codes = (...values: number[]) => tensor('uint8', [values.length], Uint8Array.from(values));
const madeIn = (g: Graph) => g.nodes.flatMap((n) => n.outputs);

test('what a branch decodes of its own codes is decoded in front; what depends on inputs stays', () => {
  const then = graph(
    [],
    ['s'],
    [node('Cast', 'u', 'f', FLOAT), node('Add', 'f,x', 's'), node('Cast', 'x', 'unused', FLOAT)],
    { u: codes(1, 2) },
  );
  const other = graph([], ['t'], [node('Neg', 'x', 't')]);
  const If = node('If', 'c', 'y', { then_branch: body(then), else_branch: body(other) });
  const before = modelOf(graph(['c:bool[]', 'x:float[2]'], ['y:float[2]'], [If]));
  const lifted = liftedDecoders(before);
  assert.equal(madeIn(lifted.graph), ['f', 'y']);
  assert.equal(
    lifted.graph.initializers.map((t) => t.name),
    ['u'],
  );
  const session = new Session(before, wasm);
  const x = tensor('float', [2], Float32Array.of(10, 20));
  const run = (c: number) => [...session.run({ c: flag(c === 1), x }).y!.data];
  assert.equal(
    [run(1), run(0)],
    [
      [11, 22],
      [-10, -20],
    ],
  );
  session.dispose();
});

test('a branch in a branch that decodes codes of the outer one takes them along', () => {
  const inner = (to: string) => graph([], [to], [node('Cast', 'u', `f${to}`, FLOAT), node('Add', `f${to},x`, to)]);
  const If = node('If', 'd', 'e', { then_branch: body(inner('p')), else_branch: body(inner('q')) });
  const outer = graph([], ['s'], [If, node('Relu', 'e', 's')], { u: codes(1, 2) });
  const other = graph([], ['t'], [node('Neg', 'x', 't')]);
  const top = node('If', 'c', 'y', { then_branch: body(outer), else_branch: body(other) });
  const m = modelOf(graph(['c:bool[]', 'd:bool[]', 'x:float[2]'], ['y:float[2]'], [top]));
  const session = new Session(m, wasm);
  const bool = flag(true);
  const found = session.run({ c: bool, d: bool, x: tensor('float', [2], Float32Array.of(10, 20)) });
  assert.equal([...found.y!.data], [11, 22]);
  session.dispose();
});

test.run();
