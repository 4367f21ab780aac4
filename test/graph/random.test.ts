import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Session } from '../../src/graph/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import type { Graph, Node } from '../../src/onnx/model.ts';
import type { Tensor } from '../../src/tensor.ts';
import { int, ints, list, runOrt, same, scalar, wasm } from '../ops/compare.ts';
import { Draw } from '../ops/differential/draw.ts';
import { body, graph, modelOf, node } from './build.ts';

/**
 * Random graphs of small operators, views among them, whose values are used late, twice, in branches and as outputs, against
 * onnxruntime: what lives how long. GRAPHS multiplies their number.
 */

const COUNT = 60 * Number(process.env.GRAPHS ?? 1);

/** All values are float [4, 6]. */
const DIMS = [4, 6];

class Maker {
  readonly nodes: Node[] = [];
  readonly weights: Record<string, Tensor> = {};

  constructor(
    readonly d: Draw,
    readonly values: string[],
    readonly prefix: string,
  ) {}

  name(): string {
    return `${this.prefix}${this.nodes.length}_${this.values.length}`;
  }

  value(): string {
    const { d, values } = this;
    return d.chance() ? d.pick(values) : values[d.int(Math.max(0, values.length - 3), values.length - 1)]!;
  }

  node(op: string, inputs: string, attributes: Node['attributes'] | object = {}, outputs = 1): string[] {
    const made = Array.from({ length: outputs }, (_, i) => `${this.name()}_${i}`);
    this.nodes.push(node(op, inputs, made.join(','), attributes as Parameters<typeof node>[3]));
    return made;
  }

  weight(t: Tensor): string {
    const name = `${this.prefix}w${Object.keys(this.weights).length}`;
    this.weights[name] = t;
    return name;
  }

  add(depth: number): void {
    const { d } = this;
    const x = this.value();
    switch (d.int(0, depth > 0 ? 8 : 9)) {
      case 0:
        this.values.push(...this.node(d.pick(['Add', 'Sub', 'Mul', 'Max']), `${x},${this.value()}`));
        break;
      case 1:
        this.values.push(...this.node(d.pick(['Tanh', 'Neg', 'Abs', 'Identity', 'Dropout']), x));
        break;
      case 2: {
        const [flat] = this.node('Reshape', `${x},${this.weight(list(...d.pick([[24], [2, -1], [1, 4, 6], [6, 4]])))}`);
        const [back] = this.node('Reshape', `${flat},${this.weight(list(4, -1))}`);
        this.values.push(back!);
        break;
      }
      case 3: {
        const [t] = this.node('Transpose', x, { perm: ints(1, 0) });
        this.values.push(...this.node('Transpose', t!, { perm: ints(1, 0) }));
        break;
      }
      case 4: {
        const [a, b] = this.node('Split', x, { axis: int(1) }, 2);
        this.values.push(...this.node('Concat', d.chance() ? `${b},${a}` : `${a},${a}`, { axis: int(1) }));
        break;
      }
      case 5:
        this.values.push(
          ...this.node('Add', `${x},${this.weight(d.tensor('float', d.pick([DIMS, [6], [4, 1], []])))}`),
        );
        break;
      case 6:
        this.values.push(...this.node('MatMul', `${x},${this.weight(d.tensor('float', [6, 6], -0.5, 0.5))}`));
        break;
      case 7: {
        const [u] = this.node('Unsqueeze', `${x},${this.weight(list(0))}`);
        this.values.push(...this.node('Squeeze', `${u},${this.weight(list(0))}`));
        break;
      }
      case 8: {
        const [c] = this.node('Cast', x, { to: int(d.pick([11, 1])) });
        this.values.push(...this.node('Cast', c!, { to: int(1) }));
        break;
      }
      default: {
        const [sum] = this.node('ReduceSum', x, { keepdims: int(0) });
        const [above] = this.node('Greater', `${sum},${this.weight(scalar('float', 0))}`);
        const branch = (which: string) => {
          const inner = new Maker(d, [...this.values], `${this.name()}${which}`);
          for (let i = d.int(1, 3); i > 0; i--) inner.add(depth + 1);
          return body(graph([], [inner.values[inner.values.length - 1]!], inner.nodes, inner.weights));
        };
        this.values.push(...this.node('If', above!, { then_branch: branch('t'), else_branch: branch('e') }));
      }
    }
  }
}

function draw(d: Draw): Graph {
  const maker = new Maker(d, ['x', 'z'], 'v');
  for (let i = d.int(2, 12); i > 0; i--) maker.add(0);
  const made = maker.values.slice(2);
  const outputs = [...new Set([made[made.length - 1]!, ...made.filter(() => d.chance(0.3))])];
  return graph(['x', 'z'], d.shuffle(outputs), maker.nodes, maker.weights);
}

test('values live as long as they are used', async () => {
  const d = new Draw(29);
  let compared = 0;
  for (let i = 0; i < COUNT; i++) {
    const g = draw(d);
    const model = modelOf(g, { opset: 13 });
    const bytes = writeModel(model);
    const before = wasm.arena.used;
    const session = new Session(model, wasm);
    for (let run = 0; run < 2; run++) {
      const feeds = { x: d.tensor('float', DIMS, -1, 1), z: d.tensor('float', DIMS, -1, 1) };
      const copies = Object.values(feeds).map((t) => [...t.data]);
      // onnxruntime 1.30 now and then frees a value that only a branch still reads.
      const expected = await runOrt(bytes, feeds).catch(() => undefined);
      if (expected === undefined) continue;
      compared++;
      const actual = session.run(feeds);
      for (const o of g.outputs)
        same(actual[o.name]!, expected[o.name]!, `graph ${i} run ${run} ${o.name}`, 1e-4, 1e-4);
      assert.equal(
        Object.values(feeds).map((t) => [...t.data]),
        copies,
        'inputs are as they were',
      );
    }
    session.dispose();
    assert.is(wasm.arena.used, before, `graph ${i}: memory was not freed`);
  }
  assert.ok(compared > COUNT, `${compared} runs of ${2 * COUNT} could be compared`);
});

test.run();
