import { test } from 'uvu';
import { Session } from '../../src/graph/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import type { Graph, Node } from '../../src/onnx/model.ts';
import type { Tensor } from '../../src/tensor.ts';
import { float, floats, int, integers, ints, list, of, runOrt, same, scalar, string, wasm } from '../ops/compare.ts';
import { body, flag, graph, held, modelOf, node } from './build.ts';

/** Small graphs as exporters write them, against onnxruntime. */

type Feeds = Readonly<Record<string, Tensor>>;

async function agree(what: string, g: Graph, opset: number, runs: readonly Feeds[], irVersion?: number): Promise<void> {
  const model = modelOf(g, { opset, ...(irVersion === undefined ? {} : { irVersion }) });
  const bytes = writeModel(model);
  const session = new Session(model, wasm);
  try {
    for (const feeds of runs) {
      const expected = await runOrt(bytes, feeds);
      const actual = session.run(feeds);
      for (const o of g.outputs)
        same(actual[o.name]!, expected[o.name]!, `${what}, opset ${opset}, ${o.name}`, 1e-4, 1e-5);
    }
  } finally {
    session.dispose();
  }
}

const constant = (name: string, t: Tensor): Node => node('Constant', '', name, { value: held(t) });
/** Unsqueeze and its like take axes as an attribute before opset 13. */
const axes = (op: string, x: string, y: string, opset: number, ...a: number[]): Node[] =>
  opset < 13
    ? [node(op, x, y, { axes: ints(...a) })]
    : [constant(`${y}_axes`, list(...a)), node(op, `${x},${y}_axes`, y)];

const END = Number.MAX_SAFE_INTEGER;

test('view: sizes from Shape, Gather, Unsqueeze and Concat', async () => {
  for (const opset of [9, 12, 13, 17]) {
    const g = graph(
      ['x'],
      ['y', 'n:int64'],
      [
        node('Shape', 'x', 's'),
        constant('zero', scalar('int64', 0)),
        node('Gather', 's,zero', 'n', { axis: int(0) }),
        ...axes('Unsqueeze', 'n', 'n1', opset, 0),
        constant('rest', list(-1)),
        constant('four', list(4)),
        node('Concat', 'n1,rest,four', 'to', { axis: int(0) }),
        node('Reshape', 'x,to', 'y'),
      ],
    );
    await agree('view', g, opset, [{ x: floats([2, 3, 4]) }, { x: floats([5, 8, 2]) }]);
  }
});

test('expand: sizes of -1 replaced through ConstantOfShape, Equal and Where', async () => {
  const g = graph(
    ['x'],
    ['y'],
    [
      constant('wanted', list(3, -1, 4)),
      node('Shape', 'wanted', 'rank'),
      node('ConstantOfShape', 'rank', 'ones', { value: held(list(1)) }),
      constant('minus', scalar('int64', -1)),
      node('Mul', 'ones,minus', 'minuses'),
      node('Equal', 'wanted,minuses', 'open'),
      node('Where', 'open,ones,wanted', 'to'),
      node('Expand', 'x,to', 'y'),
    ],
  );
  await agree('expand', g, 13, [{ x: floats([2, 1]) }, { x: floats([3, 2, 4]) }]);
});

test('slices to the end, backward ones too', async () => {
  const old = graph(
    ['x'],
    ['y'],
    [node('Slice', 'x', 'y', { axes: ints(1, 2), starts: ints(1, -3), ends: ints(END, -1) })],
  );
  await agree('attributes', old, 9, [{ x: floats([2, 5, 4]) }]);
  const far = { dtype: 'int64', dims: [2], data: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n) } as const;
  const g = graph(
    ['x'],
    ['y'],
    [
      constant('starts', list(-1, 1)),
      constant('ends', far),
      constant('axes', list(1, -1)),
      constant('steps', list(-1, 2)),
      node('Slice', 'x,starts,ends,axes,steps', 'y'),
    ],
  );
  await agree('flip', g, 13, [{ x: floats([2, 5, 4]) }, { x: floats([1, 1, 7]) }]);
});

test('Resize to computed sizes, with an empty region and scales', async () => {
  const sized = (opset: number) =>
    graph(
      ['x', 'like'],
      ['y'],
      [
        node('Shape', 'x', 's'),
        node('Slice', 's,b,two,b', 'head'),
        node('Shape', 'like', 'l'),
        node('Slice', 'l,two,four,b', 'tail'),
        node('Cast', 'tail', 'tail64', { to: int(7) }),
        node('Concat', 'head,tail64', 'sizes', { axis: int(0) }),
        node('Resize', opset < 13 ? 'x,roi,none,sizes' : 'x,,,sizes', 'y', {
          mode: string('linear'),
          coordinate_transformation_mode: string('half_pixel'),
          cubic_coeff_a: float(-0.75),
          nearest_mode: string('floor'),
        }),
      ],
      { b: list(0), two: list(2), four: list(4), ...(opset < 13 ? { roi: floats([0]), none: floats([0]) } : {}) },
    );
  const feeds = [{ x: floats([1, 2, 3, 4]), like: floats([1, 1, 6, 5]) }];
  for (const opset of [11, 13, 18]) await agree('sizes', sized(opset), opset, feeds);
  const old = graph(['x'], ['y'], [node('Resize', 'x,scales', 'y', { mode: string('nearest') })], {
    scales: of([4], 1, 1, 2, 2),
  });
  await agree('Resize of two inputs', old, 10, [{ x: floats([1, 2, 3, 4]) }]);
  const computed = graph(
    ['x'],
    ['y'],
    [
      node('Shape', 'x', 's'),
      node('Cast', 's', 'sf', { to: int(1) }),
      node('Mul', 'sf,factors', 'wanted'),
      node('Floor', 'wanted', 'whole'),
      node('Div', 'whole,sf', 'scales'),
      node('Resize', 'x,,scales', 'y', {
        mode: string('nearest'),
        coordinate_transformation_mode: string('asymmetric'),
        nearest_mode: string('floor'),
      }),
    ],
    { factors: of([4], 1, 1, 2, 3) },
  );
  await agree('computed scales', computed, 13, [{ x: floats([1, 2, 3, 4]) }]);
});

test('Pad with pads turned around by Reshape, Slice and Transpose', async () => {
  const g = graph(
    ['x'],
    ['y'],
    [
      // [last before, last after, ...] filled up with zeros, then pairs in reverse and befores before afters
      node('ConstantOfShape', 'missing', 'zeros', { value: held(list(0)) }),
      node('Concat', 'given,zeros', 'flat', { axis: int(0) }),
      node('Reshape', 'flat,pairs', 'table'),
      node('Slice', 'table,last,least,first,back', 'turned'),
      node('Transpose', 'turned', 'sides', { perm: ints(1, 0) }),
      node('Reshape', 'sides,all', 'column'),
      node('Cast', 'column', 'pads', { to: int(7) }),
      node('Pad', 'x,pads,value', 'y', { mode: string('constant') }),
    ],
    {
      given: list(1, 2, 0, 3),
      missing: list(4),
      pairs: list(-1, 2),
      last: list(-1),
      least: list(-END),
      first: list(0),
      back: list(-1),
      all: list(-1),
      value: scalar('float', 0.5),
    },
  );
  for (const opset of [11, 13, 18]) await agree('pad', g, opset, [{ x: floats([1, 2, 3, 4]) }]);
});

test('outputs that nobody wants', async () => {
  for (const opset of [7, 10])
    await agree(
      'Dropout',
      graph(['x'], ['z'], [node('Dropout', 'x', 'y,mask', { ratio: float(0.3) }), node('Relu', 'y', 'z')]),
      opset,
      [{ x: floats([3, 4]) }],
    );
  const late = graph(['x'], ['z'], [node('Dropout', 'x,ratio,training', 'y,mask'), node('Relu', 'y', 'z')], {
    ratio: scalar('float', 0.5),
    training: flag(false),
  });
  await agree('Dropout', late, 13, [{ x: floats([3, 4]) }]);
  const parameters = { s: floats([3]), b: floats([3]), m: floats([3]), v: floats([3], 0.5, 2) };
  for (const outputs of ['y', 'y,m2,v2,m3,v3'])
    await agree(
      'BatchNormalization',
      graph(['x'], ['y'], [node('BatchNormalization', 'x,s,b,m,v', outputs)], parameters),
      8,
      [{ x: floats([2, 3, 2, 2]) }],
    );
  const split = graph(['x'], ['b'], [node('Split', 'x', 'a,b,c', { axis: int(1) })]);
  await agree('Split', split, 13, [{ x: floats([2, 6]) }]);
  const top = graph(['x'], ['i:int64'], [node('TopK', 'x,k', 'v,i')], { k: list(2) });
  await agree('TopK', top, 13, [{ x: floats([2, 6]) }]);
  const lstm = { w: floats([1, 8, 3], -1, 1), r: floats([1, 8, 2], -1, 1) };
  await agree('LSTM', graph(['x'], ['c'], [node('LSTM', 'x,w,r', ',,c', { hidden_size: int(2) })], lstm), 14, [
    { x: floats([4, 2, 3]) },
  ]);
});

test('Clip without a lower bound, bounds of nodes', async () => {
  const g = graph(['x'], ['y'], [constant('most', scalar('float', 1)), node('Clip', 'x,,most', 'y')]);
  await agree('Clip', g, 12, [{ x: floats([3, 4]) }]);
  const both = graph(
    ['x'],
    ['y'],
    [constant('lo', scalar('float', 0)), constant('hi', scalar('float', 6)), node('Clip', 'x,lo,hi', 'y')],
  );
  await agree('ReLU6', both, 11, [{ x: floats([3, 4], -9, 9) }]);
});

test('masks: Cast to bool, Not, Where with -inf, causal ones from Range', async () => {
  const g = graph(
    ['x', 'mask:int64'],
    ['y'],
    [
      node('Shape', 'x', 's'),
      node('Gather', 's,last', 'n', { axis: int(0) }),
      node('Range', 'zero,n,one', 'i'),
      ...axes('Unsqueeze', 'i', 'rows', 13, 1),
      ...axes('Unsqueeze', 'i', 'cols', 13, 0),
      node('LessOrEqual', 'cols,rows', 'seen'),
      node('Cast', 'mask', 'kept', { to: int(9) }),
      ...axes('Unsqueeze', 'kept', 'keys', 13, 1),
      node('And', 'seen,keys', 'both'),
      node('Not', 'both', 'hidden'),
      node('Where', 'hidden,low,x', 'scores'),
      node('Softmax', 'scores', 'y', { axis: int(-1) }),
    ],
    {
      last: scalar('int64', -1),
      zero: scalar('int64', 0),
      one: scalar('int64', 1),
      low: scalar('float', Number.NEGATIVE_INFINITY),
    },
  );
  const mask = integers('int64', [2, 4], 0, 1);
  for (const i of [0, 4]) mask.data[i] = 1n;
  await agree('mask', g, 13, [{ x: floats([2, 4, 4]), mask }]);
});

test('indices: a scalar, embeddings, NonZero to GatherND, TopK of a computed k', async () => {
  const first = graph(['x'], ['y'], [constant('i', scalar('int64', -1)), node('Gather', 'x,i', 'y', { axis: int(1) })]);
  await agree('select', first, 11, [{ x: floats([2, 3, 4]) }]);
  const table = graph(['i:int32'], ['y'], [node('Gather', 'w,i', 'y')], { w: floats([9, 3]) });
  await agree('embedding', table, 13, [{ i: integers('int32', [2, 5], 0, 8) }]);
  const found = graph(
    ['x'],
    ['y'],
    [
      constant('zero', scalar('float', 0)),
      node('Greater', 'x,zero', 'above'),
      node('NonZero', 'above', 'at'),
      node('Transpose', 'at', 'tuples', { perm: ints(1, 0) }),
      node('GatherND', 'x,tuples', 'y'),
    ],
  );
  await agree('masked_select', found, 13, [{ x: floats([3, 4]) }, { x: floats([2, 2], -2, -1) }]);
  const top = graph(
    ['x'],
    ['v', 'i:int64'],
    [
      node('Shape', 'x', 's'),
      node('Gather', 's,one', 'n', { axis: int(0) }),
      node('Concat', 'n,hundred', 'both', { axis: int(0) }),
      node('ReduceMin', 'both', 'k', { axes: ints(0), keepdims: int(1) }),
      node('TopK', 'x,k', 'v,i', { axis: int(-1), largest: int(1), sorted: int(1) }),
    ],
    { one: list(1), hundred: list(3) },
  );
  await agree('TopK', top, 13, [{ x: floats([3, 7]) }, { x: floats([3, 2]) }]);
});

test('index_put: indices spread by Expand, then ScatterND', async () => {
  const g = graph(
    ['x', 'i:int64', 'u'],
    ['y'],
    [
      node('Shape', 'i', 'si'),
      node('Expand', 'u,si', 'values'),
      node('Unsqueeze', 'i,end', 'tuples'),
      node('ScatterND', 'x,tuples,values', 'y'),
    ],
    { end: list(-1) },
  );
  await agree('index_put', g, 13, [{ x: floats([6]), i: list(4, 1, -6), u: floats([1]) }]);
});

test('Squeeze without axes, Split without sizes, uneven parts', async () => {
  await agree('Squeeze', graph(['x'], ['y'], [node('Squeeze', 'x', 'y')]), 12, [{ x: floats([1, 3, 1, 2]) }]);
  const three = graph(['x'], ['a', 'b', 'c'], [node('Split', 'x', 'a,b,c', { axis: int(-1) })]);
  for (const opset of [11, 13]) await agree('Split', three, opset, [{ x: floats([2, 6]) }]);
  const uneven = graph(['x'], ['a', 'b', 'c'], [node('Split', 'x', 'a,b,c', { axis: int(1), num_outputs: int(3) })]);
  await agree('Split', uneven, 18, [{ x: floats([2, 7]) }]);
});

test('positions: CumSum of a mask, Range and Tile', async () => {
  const g = graph(
    ['ids:int64'],
    ['p:int64', 'e'],
    [
      node('Equal', 'ids,pad', 'off'),
      node('Not', 'off', 'on'),
      node('Cast', 'on', 'ones', { to: int(6) }),
      node('CumSum', 'ones,axis', 'count'),
      node('Mul', 'count,ones', 'own'),
      node('Cast', 'own', 'own64', { to: int(7) }),
      node('Add', 'own64,pad', 'p'),
      node('Gather', 'w,p', 'e'),
    ],
    { pad: scalar('int64', 1), axis: scalar('int64', 1), w: floats([12, 3]) },
  );
  await agree('positions', g, 14, [{ ids: integers('int64', [2, 7], 0, 3) }]);
});

test('normalizations in pieces', async () => {
  const layer = graph(
    ['x'],
    ['y'],
    [
      node('ReduceMean', 'x', 'm', { axes: ints(-1), keepdims: int(1) }),
      node('Sub', 'x,m', 'c'),
      node('Pow', 'c,two', 'c2'),
      node('ReduceMean', 'c2', 'v', { axes: ints(-1), keepdims: int(1) }),
      node('Add', 'v,eps', 've'),
      node('Sqrt', 've', 'd'),
      node('Div', 'c,d', 'n'),
      node('Mul', 'n,w', 's'),
      node('Add', 's,b', 'y'),
    ],
    { two: scalar('float', 2), eps: scalar('float', 1e-5), w: floats([6]), b: floats([6]) },
  );
  await agree('layer', layer, 13, [{ x: floats([2, 3, 6]) }]);
  const group = graph(
    ['x'],
    ['y'],
    [
      node('Reshape', 'x,groups', 'g'),
      node('InstanceNormalization', 'g,one,zero', 'n', { epsilon: float(1e-3) }),
      node('Shape', 'x', 's'),
      node('Reshape', 'n,s', 'back'),
      node('Mul', 'back,w', 'm'),
      node('Add', 'm,b', 'y'),
    ],
    { groups: list(0, 2, -1), one: of([2], 1, 1), zero: of([2], 0, 0), w: floats([6, 1, 1]), b: floats([6, 1, 1]) },
  );
  await agree('group', group, 13, [{ x: floats([2, 6, 3, 4]) }]);
  const unit = graph(
    ['x'],
    ['y'],
    [
      node('ReduceL2', 'x', 'n', { axes: ints(1), keepdims: int(1) }),
      node('Clip', 'n,eps', 'c'),
      node('Shape', 'x', 's'),
      node('Expand', 'c,s', 'e'),
      node('Div', 'x,e', 'y'),
    ],
    { eps: scalar('float', 1e-12) },
  );
  await agree('normalize', unit, 13, [{ x: floats([3, 5]) }]);
  const gelu = graph(
    ['x'],
    ['y'],
    [
      node('Div', 'x,r', 'a'),
      node('Erf', 'a', 'e'),
      node('Add', 'e,one', 'f'),
      node('Mul', 'x,f', 'g'),
      node('Mul', 'g,half', 'y'),
    ],
    { r: scalar('float', Math.SQRT2), one: scalar('float', 1), half: scalar('float', 0.5) },
  );
  await agree('gelu', gelu, 13, [{ x: floats([3, 5]) }]);
});

test('rotary positions: halves swapped by Slice, Neg and Concat', async () => {
  const g = graph(
    ['x'],
    ['y'],
    [
      node('Shape', 'x', 's', { start: int(-1) }),
      node('Div', 's,two', 'h'),
      node('Slice', 'x,zero,h,axis', 'a'),
      node('Slice', 'x,h,end,axis', 'b'),
      node('Neg', 'b', 'nb'),
      node('Concat', 'nb,a', 'turned', { axis: int(-1) }),
      node('Mul', 'x,cos', 'c'),
      node('Mul', 'turned,sin', 'd'),
      node('Add', 'c,d', 'y'),
    ],
    { two: list(2), zero: list(0), end: list(END), axis: list(-1), cos: floats([3, 8]), sin: floats([3, 8]) },
  );
  await agree('rotary', g, 15, [{ x: floats([2, 4, 3, 8]) }]);
});

test('TensorFlow: channels last around Conv, SAME padding, shapes in int32', async () => {
  const g = graph(
    ['x'],
    ['y'],
    [
      node('Transpose', 'x', 'nchw', { perm: ints(0, 3, 1, 2) }),
      node('Conv', 'nchw,w', 'c', { auto_pad: string('SAME_UPPER'), strides: ints(2, 2) }),
      node('Transpose', 'c', 'nhwc', { perm: ints(0, 2, 3, 1) }),
      node('Add', 'nhwc,bias', 'b'),
      node('Relu', 'b', 'r'),
      node('Shape', 'r', 's'),
      node('Cast', 's', 's32', { to: int(6) }),
      node('Slice', 's32,zero,one,zero', 'batch'),
      node('Concat', 'batch,rest', 'to32', { axis: int(0) }),
      node('Cast', 'to32', 'to', { to: int(7) }),
      node('Reshape', 'r,to', 'y'),
    ],
    {
      w: floats([4, 3, 3, 3], -1, 1),
      bias: floats([4]),
      zero: list(0),
      one: list(1),
      rest: { dtype: 'int32', dims: [1], data: Int32Array.of(-1) },
    },
  );
  await agree('conv', g, 11, [{ x: floats([2, 7, 6, 3]) }, { x: floats([1, 5, 5, 3]) }]);
});

test('classifiers: scores to labels and shares', async () => {
  const g = graph(
    ['x'],
    ['label:int64', 'p'],
    [
      node('MatMul', 'x,w', 'm'),
      node('Add', 'm,b', 'z'),
      node('ReduceMax', 'z', 'top', { axes: ints(1) }),
      node('Sub', 'z,top', 'd'),
      node('Exp', 'd', 'e'),
      node('ReduceSum', 'e,one', 't'),
      node('Div', 'e,t', 'p'),
      node('ArgMax', 'p', 'i', { axis: int(1), keepdims: int(0) }),
      node('Gather', 'labels,i', 'found'),
      node('Reshape', 'found,flat', 'label'),
    ],
    { w: floats([4, 3]), b: floats([3]), one: list(1), labels: list(7, 8, 9), flat: list(-1) },
  );
  await agree('classifier', g, 13, [{ x: floats([5, 4]) }]);
});

test('PaddlePaddle: hard swish in pieces, channels split off a shape', async () => {
  const g = graph(
    ['x'],
    ['y'],
    [
      node('Add', 'x,three', 'a'),
      node('Clip', 'a,zero,six', 'c'),
      node('Mul', 'x,c', 'm'),
      node('Div', 'm,six', 'h'),
      node('Shape', 'h', 's'),
      node('Cast', 's', 's32', { to: int(6) }),
      node('Split', 's32', 'n,c0,h0,w0', { axis: int(0) }),
      node('Concat', 'n,hundred', 'to32', { axis: int(0) }),
      node('Cast', 'to32', 'to', { to: int(7) }),
      node('Reshape', 'h,to', 'f'),
      node('Gemm', 'f,w', 'y'),
    ],
    {
      three: of([1], 3),
      zero: scalar('float', 0),
      six: scalar('float', 6),
      hundred: { dtype: 'int32', dims: [1], data: Int32Array.of(24) },
      w: floats([24, 3]),
    },
  );
  await agree('paddle', g, 11, [{ x: floats([2, 2, 3, 4], -5, 5) }]);
});

test('quantized: QuantizeLinear and DequantizeLinear around a convolution', async () => {
  const w = integers('int8', [4, 2, 3, 3], -100, 100);
  const g = graph(
    ['x'],
    ['y'],
    [
      node('QuantizeLinear', 'x,sx,zx', 'q'),
      node('DequantizeLinear', 'q,sx,zx', 'd'),
      node('DequantizeLinear', 'w,sw,zw', 'wd', { axis: int(0) }),
      node('DequantizeLinear', 'b,sb', 'bd', { axis: int(0) }),
      node('Conv', 'd,wd,bd', 'c', { pads: ints(1, 1, 1, 1) }),
      node('Relu', 'c', 'y'),
    ],
    {
      sx: scalar('float', 0.02),
      zx: scalar('uint8', 110),
      w,
      sw: floats([4], 0.01, 0.02),
      zw: { dtype: 'int8', dims: [4], data: new Int8Array(4) },
      b: integers('int32', [4], -900, 900),
      sb: floats([4], 0.0002, 0.0004),
    },
  );
  await agree('QDQ', g, 13, [{ x: floats([1, 2, 5, 5]) }]);
});

test('recurrent layers: both directions put side by side', async () => {
  const h = 3;
  const weights = { w: floats([2, 4 * h, 5], -1, 1), r: floats([2, 4 * h, h], -1, 1), b: floats([2, 8 * h], -1, 1) };
  const g = graph(
    ['x'],
    ['y', 'last'],
    [
      node('Transpose', 'x', 't', { perm: ints(1, 0, 2) }),
      node('Shape', 't', 's'),
      node('Gather', 's,one', 'n'),
      node('Unsqueeze', 'n,first', 'n1'),
      node('Concat', 'two,n1,three', 'state', { axis: int(0) }),
      node('ConstantOfShape', 'state', 'zeros'),
      node('LSTM', 't,w,r,b,,zeros,zeros', 'o,hn,cn', { hidden_size: int(h), direction: string('bidirectional') }),
      node('Transpose', 'o', 'p', { perm: ints(0, 2, 1, 3) }),
      node('Reshape', 'p,merged', 'q'),
      node('Transpose', 'q', 'y', { perm: ints(1, 0, 2) }),
      node('Slice', 'hn,minus,end,first', 'tail'),
      node('Squeeze', 'tail,first', 'last'),
    ],
    {
      one: scalar('int64', 1),
      first: list(0),
      two: list(2),
      three: list(h),
      merged: list(0, 0, -1),
      minus: list(-1),
      end: list(END),
      ...weights,
    },
  );
  await agree('LSTM', g, 14, [{ x: floats([2, 4, 5]) }, { x: floats([1, 7, 5]) }]);
});

test('loops and branches that read what is outside', async () => {
  const step = graph(
    ['i:int64[]', 'go:bool[]', 'h'],
    ['more:bool[]', 'next', 'seen'],
    [
      node('Identity', 'go', 'more'),
      node('Gather', 'x,i', 'row'),
      node('MatMul', 'h,w', 'm'),
      node('Add', 'm,row', 'a'),
      node('Tanh', 'a', 'next'),
      node('Identity', 'next', 'seen'),
    ],
  );
  const loop = graph(
    ['x'],
    ['h', 'all'],
    [
      node('Shape', 'x', 's'),
      node('Gather', 's,zero', 'n'),
      node('Loop', 'n,yes,start', 'h,all', { body: body(step) }),
    ],
    { zero: scalar('int64', 0), yes: flag(true), start: floats([3]), w: floats([3, 3], -1, 1) },
  );
  await agree('Loop', loop, 13, [{ x: floats([4, 3]) }, { x: floats([1, 3]) }]);
  const branch = (op: string) =>
    body(graph([], [`${op}_y`], [node(op, 'x', `${op}_t`), node('Mul', `${op}_t,w`, `${op}_y`)]));
  const either = graph(
    ['x'],
    ['y'],
    [
      node('ReduceSum', 'x', 't', { keepdims: int(0) }),
      node('Greater', 't,zero', 'above'),
      node('If', 'above', 'y', { then_branch: branch('Relu'), else_branch: branch('Neg') }),
    ],
    { zero: scalar('float', 0), w: floats([3]) },
  );
  await agree('If', either, 13, [{ x: floats([2, 3], 0, 1) }, { x: floats([2, 3], -1, 0) }]);
});

test('detections: boxes decoded, NonMaxSuppression, the chosen ones gathered', async () => {
  const g = graph(
    ['boxes', 'scores'],
    ['found', 'which:int64'],
    [
      node('NonMaxSuppression', 'boxes,scores,most,iou,low', 'at'),
      node('Gather', 'at,two', 'i', { axis: int(1) }),
      node('Squeeze', 'boxes,first', 'flat'),
      node('Gather', 'flat,i', 'found'),
      node('Slice', 'at,zero,pair,one', 'which'),
    ],
    {
      most: list(3),
      iou: of([1], 0.4),
      low: of([1], 0.1),
      two: scalar('int64', 2),
      first: list(0),
      zero: list(0),
      pair: list(2),
      one: list(1),
    },
  );
  const boxes = of([1, 4, 4], 0, 0, 1, 1, 0.1, 0, 1, 1, 2, 2, 3, 3, 5, 5, 6, 6);
  await agree('NMS', g, 13, [{ boxes, scores: of([1, 1, 4], 0.9, 0.8, 0.7, 0.05) }]);
});

test('pixel shuffle in pieces, and as DepthToSpace', async () => {
  const pieces = graph(
    ['x'],
    ['y'],
    [
      node('Reshape', 'x,six', 'a'),
      node('Transpose', 'a', 'b', { perm: ints(0, 1, 4, 2, 5, 3) }),
      node('Reshape', 'b,four', 'y'),
    ],
    { six: list(-1, 2, 2, 2, 3, 4), four: list(-1, 2, 6, 8) },
  );
  await agree('pieces', pieces, 9, [{ x: floats([2, 8, 3, 4]) }]);
  const whole = graph(['x'], ['y'], [node('DepthToSpace', 'x', 'y', { blocksize: int(2), mode: string('CRD') })]);
  await agree('whole', whole, 13, [{ x: floats([2, 8, 3, 4]) }]);
});

test('weights as graph inputs, inputs and weights as outputs', async () => {
  const g = graph(['x', 'w:float[3,2]'], ['y', 'x', 'z'], [node('MatMul', 'x,w', 'y'), node('Identity', 'w', 'z')], {
    w: floats([3, 2]),
  });
  await agree('IR 3', g, 8, [{ x: floats([4, 3]) }, { x: floats([4, 3]), w: floats([3, 2]) }], 3);
});

test.run();
