import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InterruptedError, ModelError } from '../../src/errors.ts';
import { Session } from '../../src/graph/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import type { Graph } from '../../src/onnx/model.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { body, flag, graph, held, type ModelOptions, modelOf, node } from '../graph/build.ts';
import { throws } from '../throws.ts';
import { floats, int, ints, list, of, runOrt, same, scalar, wasm } from './compare.ts';

/** Runs a graph here, the memory it used checked to be free again. */
function here(g: Graph, feeds: Record<string, Tensor>, options: ModelOptions = {}): Record<string, Tensor> {
  const before = wasm.arena.used;
  const session = new Session(modelOf(g, options), wasm);
  try {
    const held = wasm.arena.used;
    const out = session.run(feeds);
    session.rest();
    assert.is(wasm.arena.used, held, 'a run left memory behind');
    return out;
  } finally {
    session.dispose();
    assert.is(wasm.arena.used, before, 'dispose left memory behind');
  }
}

async function agree(g: Graph, feeds: Record<string, Tensor>, options: ModelOptions = {}): Promise<void> {
  const want = await runOrt(writeModel(modelOf(g, options)), feeds);
  const got = here(g, feeds, options);
  for (const [name, t] of Object.entries(want)) same(got[name]!, t, name);
}

const when = (then: Graph, otherwise: Graph) => ({ then_branch: body(then), else_branch: body(otherwise) });

test('If runs the branch chosen, with values of the graph around it', async () => {
  const g = graph(
    ['c:bool[]', 'x:float[N]'],
    ['y', 'z'],
    [
      node('Abs', 'x', 'a'),
      node(
        'If',
        'c',
        'y,z',
        when(
          graph([], ['p', 'q'], [node('Add', 'a,w', 'p'), node('Neg', 'a', 'q')], { w: of([1], 10) }),
          graph([], ['r', 's'], [node('Sub', 'x,v', 'r'), node('Concat', 'x,a', 's', { axis: int(0) })]),
        ),
      ),
    ],
    { v: of([1], 3) },
  );
  for (const c of [true, false]) await agree(g, { c: flag(c), x: of([3], 1, -2, 3) });
});

test('bodies inside bodies see every graph around them', async () => {
  const innermost = graph([], ['t'], [node('Add', 'deep,x', 'u'), node('Mul', 'u,v', 't')]);
  const middle = graph(
    [],
    ['m'],
    [
      node('Exp', 'x', 'deep'),
      node('If', 'd', 'm', when(innermost, graph([], ['e'], [node('Identity', 'deep', 'e')]))),
    ],
  );
  const g = graph(
    ['c:bool[]', 'd:bool[]', 'x:float[N]'],
    ['y'],
    [node('If', 'c', 'y', when(middle, graph([], ['k'], [node('Constant', '', 'k', { value: held(of([1], 5)) })])))],
    { v: of([1], 3) },
  );
  for (const [c, d] of [
    [true, true],
    [true, false],
    [false, true],
  ] as const)
    await agree(g, { c: flag(c), d: flag(d), x: of([2], 0.5, -1) });
});

/** Carries `a`, which grows by one element an iteration, and puts out its sum. Stops when the sum reaches `limit`. */
function growing(inputs: string[], first: string): Graph {
  const step = graph(
    ['i:int64[]', 'go:bool[]', 'a:float[N]'],
    ['on:bool[]', 'b:float[M]', 'sum:float[1]', 'iter:int64[]'],
    [
      node('Concat', 'a,one', 'b', { axis: int(0) }),
      node('ReduceSum', 'b', 'sum', { keepdims: int(1) }),
      node('Squeeze', 'sum', 'total'),
      node('Less', 'total,limit', 'on'),
      node('Identity', 'i', 'iter'),
    ],
    { one: of([1], 1.5) },
  );
  return graph(
    ['limit:float[]', 'x:float[K]', ...inputs],
    ['last:float[P]', 'sums:float[Q,1]', 'iters:int64[Q]'],
    [node('Loop', `${first},x`, 'last,sums,iters', { body: body(step) })],
  );
}

test('Loop: a trip count, a condition, both and neither', async () => {
  const feeds = { limit: of([], 9), x: of([2], 1, 2) };
  const m = (n: number) => ({ m: scalar('int64', n) });
  for (const n of [0, 1, 3, 100]) await agree(growing(['m:int64[]'], 'm,'), { ...feeds, ...m(n) });
  for (const c of [true, false]) {
    await agree(growing(['c:bool[]'], ',c'), { ...feeds, c: flag(c) });
    await agree(growing(['m:int64[]', 'c:bool[]'], 'm,c'), { ...feeds, ...m(2), c: flag(c) });
  }
  const out = here(growing([], ','), feeds);
  assert.equal([...out.last!.data], [1, 2, 1.5, 1.5, 1.5, 1.5]);
  assert.equal([...out.iters!.data], [0n, 1n, 2n, 3n]);
});

test('Loop without iterations gives scan outputs of length 0 and the declared type', () => {
  const out = here(growing(['m:int64[]'], 'm,'), { limit: of([], 9), x: of([1], 1), m: scalar('int64', 0) });
  assert.equal([out.sums!.dims, out.iters!.dims, out.iters!.dtype], [[0, 1], [0], 'int64']);
  assert.equal([...out.last!.data], [1]);
});

test('Loop inside Loop, the inner one reading what the outer one carries', async () => {
  const inner = graph(
    ['j:int64[]', 'go2:bool[]', 'b:float[]'],
    ['on2:bool[]', 'b2:float[]', 'row:float[]'],
    [node('Identity', 'go2', 'on2'), node('Add', 'b,a', 'b1'), node('Mul', 'b1,half', 'b2'), node('Neg', 'b2', 'row')],
    { half: of([], 0.5) },
  );
  const outer = graph(
    ['i:int64[]', 'go:bool[]', 'a:float[]'],
    ['on:bool[]', 'a2:float[]', 'rows:float[R]'],
    [node('Identity', 'go', 'on'), node('Loop', 'n,,x', 'a2,rows', { body: body(inner) })],
  );
  const g = graph(
    ['m:int64[]', 'n:int64[]', 'x:float[]'],
    ['last:float[]', 'all:float[A,B]'],
    [node('Loop', 'm,,x', 'last,all', { body: body(outer) })],
  );
  await agree(g, { m: scalar('int64', 3), n: scalar('int64', 4), x: of([], 2) });
});

const scanBody = graph(
  ['s:float[2]', 'e:float[2]', 'f:int64[]'],
  ['s2:float[2]', 'o:float[2]', 'g:int64[]'],
  [node('Add', 's,e', 's2'), node('Mul', 's2,k', 'o'), node('Identity', 'f', 'g')],
);

test('Scan over axes, in both directions', async () => {
  for (const [axes, directions, axis, reversed] of [
    [[0, 0], [0, 0], 0, 0],
    [[1, 0], [1, 0], 1, 0],
    [[-1, -1], [0, 1], -1, 1],
  ] as const) {
    const g = graph(
      ['s0:float[2]', axes[0] === 0 ? 'x:float[5,2]' : 'x:float[2,5]', 'n:int64[5]'],
      ['last', 'out', 'ids:int64'],
      [
        node('Scan', 's0,x,n', 'last,out,ids', {
          body: body(scanBody),
          num_scan_inputs: int(2),
          scan_input_axes: ints(...axes),
          scan_input_directions: ints(...directions),
          scan_output_axes: ints(axis, 0),
          scan_output_directions: ints(reversed, 1),
        }),
      ],
      { k: of([1], 2) },
    );
    await agree(g, { s0: floats([2]), x: floats(axes[0] === 0 ? [5, 2] : [2, 5]), n: list(4, 5, 6, 7, 8) });
  }
});

test('Scan 8: batches, lengths, a reversed sequence', () => {
  const step = graph(
    ['s:float[]', 'e:float[]'],
    ['s2:float[]', 'o:float[]'],
    [node('Add', 's,e', 's2'), node('Identity', 's2', 'o')],
  );
  const g = graph(
    ['lens:int64[2]', 's0:float[2]', 'x:float[2,3]'],
    ['last', 'out'],
    [node('Scan', 'lens,s0,x', 'last,out', { body: body(step), num_scan_inputs: int(1), directions: ints(1) })],
  );
  const out = here(g, { lens: list(3, 2), s0: of([2], 0, 10), x: of([2, 3], 1, 2, 3, 4, 5, 6) }, { opset: 8 });
  assert.equal([...out.last!.data], [6, 19]);
  assert.equal(
    [out.out!.dims, [...out.out!.data]],
    [
      [2, 3],
      [3, 5, 6, 15, 19, 0],
    ],
  );
  const g2 = graph(
    ['s0:float[2]', 'x:float[2,3]'],
    ['last', 'out'],
    [node('Scan', ',s0,x', 'last,out', { body: body(step), num_scan_inputs: int(1) })],
  );
  const all = here(g2, { s0: of([2], 0, 10), x: of([2, 3], 1, 2, 3, 4, 5, 6) }, { opset: 8 });
  assert.equal([...all.out!.data], [1, 3, 6, 14, 19, 25]);
});

const forever = graph(
  ['x:float[1]'],
  ['y'],
  [
    node(
      'Loop',
      ',,x',
      'y',
      {
        body: body(
          graph(
            ['i:int64[]', 'go:bool[]', 'a:float[1]'],
            ['on:bool[]', 'b:float[1]'],
            [node('Identity', 'go', 'on'), node('Add', 'a,a', 'b', {}, 'twice')],
          ),
        ),
      },
      'endless',
    ),
  ],
);

test('a loop that does not end meets the limit, or the signal', () => {
  const before = wasm.arena.used;
  const session = new Session(modelOf(forever), wasm, { maxIterations: 1000 });
  const x = of([1], 1);
  throws(
    () => session.run({ x }),
    ModelError,
    /^Loop node "endless": more than 1000 iterations in one run: raise maxIterations/,
  );
  throws(() => session.run({ x }, { maxIterations: 7 }), ModelError, /more than 7 iterations/);
  const abort = new AbortController();
  let seen = 0;
  const observe = () => {
    if (++seen === 10) abort.abort();
  };
  throws(() => session.run({ x }, { observe, signal: abort.signal }), InterruptedError, /^interrupted$/);
  assert.is(seen, 10);
  throws(() => session.run({ x }, { signal: abort.signal }), InterruptedError, /interrupted/);
  throws(
    () => session.run({ x }, { maxIterations: 0 }),
    RangeError,
    /maxIterations: expected a whole number >= 1, got 0/,
  );
  session.dispose();
  assert.is(wasm.arena.used, before);
});

test('slices that pile up without end are refused', () => {
  const step = graph(
    ['i:int64[]', 'go:bool[]'],
    ['on:bool[]', 'big:int64'],
    [node('Identity', 'go', 'on'), node('ConstantOfShape', 'shape', 'big', { value: held(list(1)) })],
    { shape: list(1 << 22) },
  );
  const g = graph(['m:int64[]'], ['y:int64'], [node('Loop', 'm,', 'y', { body: body(step) }, 'pile')]);
  throws(
    () => here(g, { m: scalar('int64', 1e6) }),
    ModelError,
    /^Loop node "pile": scan output "big": more than 1073741824 bytes in 32 iterations/,
  );
});

test('what a body may not do', () => {
  const loop = (g: Graph, ins = 'm,,x') =>
    here(graph(['m:int64[]', 'x:float[2]'], ['y'], [node('Loop', ins, 'y', { body: body(g) }, 'l')]), {
      m: scalar('int64', 2),
      x: of([2], 1, 2),
    });
  const head = ['i:int64[]', 'go:bool[]'];
  throws(
    () => loop(graph([...head], ['go:bool[]', 'x'], [])),
    ModelError,
    /^Loop node "l": body: expected 3 inputs for the node's own, found 2/,
  );
  throws(() => loop(graph([...head, 'a'], ['go:bool[]'], [])), ModelError, /body: expected 2 outputs or more, found 1/);
  throws(
    () => loop(graph([...head, 'a'], ['go:bool[]', 'b:int32'], [node('Cast', 'a', 'b', { to: int(6) })])),
    ModelError,
    /carried value 0: expected type float, found int32/,
  );
  throws(
    () => loop(graph([...head, 'a'], ['a', 'b'], [node('Neg', 'a', 'b')])),
    ModelError,
    /the condition that the body puts out: expected type bool, found float/,
  );
  throws(
    () => loop(graph([...head, 'a'], ['go:bool[]', 'b'], [node('Neg', 'nowhere', 'b', {}, 'n')])),
    ModelError,
    /^Loop node "l": Neg node "n" reads "nowhere", which is no input, initializer or output of any node/,
  );
  throws(
    () => loop(graph([...head, 'a'], ['go:bool[]', 'b'], [node('Neg', 'y', 'b')])),
    ModelError,
    /the graph has a cycle: "l"/,
  );
  throws(
    () =>
      loop(
        graph(
          [...head, 'a'],
          ['go:bool[]', 'b'],
          [node('MatMul', 'a,a', 'c'), node('Concat', 'a,a', 'b', { axis: int(5) }, 'cat')],
        ),
      ),
    ModelError,
    /^Loop node "l": Concat node "cat": /,
  );
  throws(
    () =>
      here(graph(['x'], ['y'], [node('If', 'x', 'y', when(graph([], ['x'], []), graph([], ['x'], [])), 'if')]), {
        x: of([1], 1),
      }),
    ModelError,
    /^If node "if": cond: expected type bool, found float/,
  );
});

test('a loop over float slices ten thousand times keeps nothing', () => {
  const step = graph(
    ['i:int64[]', 'go:bool[]', 'a:float[4]'],
    ['on:bool[]', 'b:float[4]', 'row:float[4]'],
    [node('Identity', 'go', 'on'), node('Mul', 'a,k', 'b'), node('Identity', 'b', 'row')],
    { k: of([1], 0.999) },
  );
  const g = graph(
    ['m:int64[]', 'x:float[4]'],
    ['last', 'rows'],
    [node('Loop', 'm,,x', 'last,rows', { body: body(step) })],
  );
  const out = here(g, { m: scalar('int64', 10_000), x: tensor('float', [4], Float32Array.of(1, 2, 3, 4)) });
  assert.equal(out.rows!.dims, [10_000, 4]);
  assert.equal([...out.rows!.data].slice(-4), [...out.last!.data]);
});

test.run();
