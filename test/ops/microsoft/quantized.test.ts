import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../../src/errors.ts';
import { writeModel } from '../../../src/onnx/index.ts';
import type { Tensor } from '../../../src/tensor.ts';
import { throws } from '../../throws.ts';
import {
  type Attributes,
  agree,
  feedsOf,
  float,
  floats,
  int,
  integers,
  ints,
  modelOf,
  runHere,
  runOrt,
  scalar,
} from '../compare.ts';

const contrib = { domain: 'com.microsoft' };

/** As `agree`, for codes that may differ by one where rounding meets a tie. */
async function close(
  op: string,
  inputs: (Tensor | undefined)[],
  attributes: Attributes = {},
  constants: number[] = [],
): Promise<void> {
  const c = { ...contrib, constants };
  const expected = (await runOrt(writeModel(modelOf(op, inputs, attributes, c)), feedsOf(inputs, c))).y0!;
  const [actual] = runHere(op, inputs, attributes, c);
  assert.is(actual!.dtype, expected.dtype, op);
  assert.equal([...actual!.dims], [...expected.dims], op);
  let off = 0;
  expected.data.forEach((v, i) => {
    const d = Math.abs(Number(actual!.data[i]) - Number(v));
    assert.ok(d <= 1, `${op} element ${i}: ${actual!.data[i]}, expected ${v}`);
    off += d;
  });
  assert.ok(off <= Math.max(1, 0.02 * expected.data.length), `${op}: ${off} of ${expected.data.length} differ by one`);
}

const TYPES = ['uint8', 'int8'] as const;
const codes = (type: (typeof TYPES)[number], dims: readonly number[]) =>
  integers(type, dims, type === 'int8' ? -128 : 0, type === 'int8' ? 127 : 255);

test('QuantizeLinear and DequantizeLinear of com.microsoft', async () => {
  for (const type of TYPES) {
    const parameters = [scalar('float', 0.0513), scalar(type, 7)] as const;
    await agree('QuantizeLinear', [floats([3, 7]), ...parameters], {}, contrib);
    await agree('DequantizeLinear', [codes(type, [3, 7]), ...parameters], {}, contrib);
    const perAxis = [floats([3], 0.01, 0.1), integers(type, [3], 0, 9)] as const;
    await agree('DequantizeLinear', [codes(type, [3, 7]), ...perAxis], { axis: int(0) }, contrib);
  }
  const wide = [scalar('float', 0.001), scalar('uint16', 30000)] as const;
  await agree('QuantizeLinear', [floats([3, 7]), ...wide], {}, contrib);
});

test('QLinearAdd and QLinearMul with broadcasting', async () => {
  for (const type of TYPES) {
    const a = [codes(type, [3, 5, 9]), scalar('float', 0.0513), scalar(type, 7)];
    const b = [codes(type, [5, 9]), scalar('float', 0.0297), scalar(type, 11)];
    const one = [codes(type, [1]), scalar('float', 0.0297), scalar(type, 11)];
    for (const op of ['QLinearAdd', 'QLinearMul']) {
      await close(op, [...a, ...b, scalar('float', 0.1033), scalar(type, 5)]);
      await close(op, [...a, ...one, scalar('float', 0.1033), scalar(type, 5)]);
    }
  }
});

test('QLinearSigmoid, QLinearLeakyRelu, QLinearSoftmax', async () => {
  for (const type of TYPES) {
    const x = [codes(type, [3, 5, 9]), scalar('float', 0.0513), scalar(type, 7)];
    const zero = scalar(type, type === 'int8' ? -128 : 0);
    await close('QLinearSigmoid', [...x, scalar('float', 1 / 256), zero], {}, [1, 2, 3, 4]);
    await close(
      'QLinearLeakyRelu',
      [...x, scalar('float', 0.06), scalar(type, 3)],
      { alpha: float(0.1) },
      [1, 2, 3, 4],
    );
    const parameters = [...x, scalar('float', 1 / 256), zero];
    for (const axis of [2, 1])
      await close('QLinearSoftmax', parameters, { axis: int(axis), opset: int(13) }, [1, 2, 3, 4]);
    await close('QLinearSoftmax', parameters, { axis: int(1), opset: int(11) }, [1, 2, 3, 4]);
  }
});

test('QLinearConcat, QLinearWhere, QLinearReduceMean', async () => {
  const part = (n: number, scale: number, zero: number) => [
    codes('uint8', [2, n, 3]),
    scalar('float', scale),
    scalar('uint8', zero),
  ];
  const parts = [...part(4, 0.05, 3), ...part(2, 0.02, 9), ...part(1, 0.05, 3)];
  await close(
    'QLinearConcat',
    [scalar('float', 0.0401), scalar('uint8', 5), ...parts],
    { axis: int(1) },
    [0, 1, 3, 4, 6, 7, 9, 10],
  );
  const condition = integers('bool', [2, 4, 3], 0, 1);
  const result = [scalar('float', 0.0401), scalar('uint8', 5)];
  await close('QLinearWhere', [condition, ...part(4, 0.05, 3), ...part(4, 0.02, 9), ...result], {}, [2, 3, 5, 6, 7, 8]);
  const mean = { axes: ints(1, 2), keepdims: int(1) };
  const y = runHere('QLinearReduceMean', [...part(4, 0.05, 3), ...result], mean, contrib)[0]!;
  assert.equal([...y.dims], [2, 1, 1]);
  throws(
    () => runHere('QLinearConcat', [...result, ...part(4, 1, 0).slice(0, 2)], { axis: int(1) }, contrib),
    ModelError,
    /2 \+ 3 n inputs/,
  );
});

test('pools of codes, channels first and last', async () => {
  for (const type of TYPES) {
    const around = [scalar('float', 0.0513), scalar(type, 7), scalar('float', 0.0401), scalar(type, 3)];
    const pool = { kernel_shape: ints(3, 3), strides: ints(2, 2), pads: ints(1, 1, 1, 1) };
    await close('QLinearAveragePool', [codes(type, [2, 3, 8, 9]), ...around], pool);
    await close('QLinearAveragePool', [codes(type, [2, 8, 9, 3]), ...around], {
      ...pool,
      channels_last: int(1),
      count_include_pad: int(1),
    });
    await close('QLinearGlobalAveragePool', [codes(type, [2, 3, 8, 9]), ...around], { channels_last: int(0) });
    await close('QLinearGlobalAveragePool', [codes(type, [2, 8, 9, 3]), ...around], { channels_last: int(1) });
    await close('NhwcMaxPool', [codes(type, [2, 8, 9, 16])], pool);
  }
});

test('QLinearConv with channels last', async () => {
  const x = [codes('uint8', [2, 7, 8, 4]), scalar('float', 0.0513), scalar('uint8', 7)];
  const w = [integers('int8', [6, 4, 3, 3], -127, 127), floats([6], 0.01, 0.02), integers('int8', [6], 0, 0)];
  const y = [scalar('float', 0.9), scalar('uint8', 99), integers('int32', [6], -999, 999)];
  await close(
    'QLinearConv',
    [...x, ...w, ...y],
    { channels_last: int(1), pads: ints(1, 1, 1, 1) },
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
});

test.run();
