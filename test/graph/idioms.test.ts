import { test } from 'uvu';
import { float, floats, int, integers, ints, list, of, scalar, string } from '../ops/compare.ts';
import { agree, axes, constant, END } from './agree.ts';
import { flag, graph, held, node } from './build.ts';

/** Shapes, indices and masks as exporters write them, against onnxruntime. */

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

test.run();
