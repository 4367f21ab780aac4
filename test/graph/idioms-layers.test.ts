import { test } from 'uvu';
import { float, floats, int, integers, ints, list, of, scalar, string } from '../ops/compare.ts';
import { agree, END } from './agree.ts';
import { body, flag, graph, node } from './build.ts';

/** Layers, loops and what follows a network as exporters write them, against onnxruntime. */

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
  await agree('IR 3', g, 8, [{ x: floats([4, 3]) }], 3);
});

test.run();
