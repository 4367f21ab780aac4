import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, float, floats, int, integers, of, runHere, same } from './compare.ts';
import { narrowed, widened } from './wide.ts';

test('LayerNormalization', async () => {
  await agree('LayerNormalization', [floats([3, 7, 33]), floats([33]), floats([33])]);
  await agree('LayerNormalization', [floats([3, 7, 33]), floats([33])], { epsilon: float(0.1) });
  await agree('LayerNormalization', [floats([3, 4, 5]), floats([4, 5]), floats([4, 5])], { axis: int(1) });
  await agree('LayerNormalization', [floats([3, 4, 5]), floats([4, 5])], { axis: int(-2) }, { outputs: 3 });
  await agree('LayerNormalization', [floats([3, 4, 5]), floats([3, 4, 5])], { axis: int(0) }, { outputs: 3 });
});

test('scale and bias broadcast to the input', async () => {
  await agree('LayerNormalization', [floats([3, 4, 5]), floats([3, 1, 5]), floats([3, 1, 5])]);
  const x = floats([3, 4, 5]);
  const [scale, bias] = [floats([3, 4, 1]), floats([5])];
  const full = (f: (i: number) => number) => of([3, 4, 5], ...Array.from({ length: 60 }, (_, i) => f(i)));
  const plain = runHere('LayerNormalization', [x, of([5], 1, 1, 1, 1, 1)])[0]!;
  const expected = full(
    (i) => Number(plain.data[i]) * Number(scale.data[Math.floor(i / 5)]) + Number(bias.data[i % 5]),
  );
  same(runHere('LayerNormalization', [x, scale, bias])[0]!, expected, 'a scale a row');
  const rms = runHere('RMSNormalization', [x, of([5], 1, 1, 1, 1, 1)], {}, { opset: 23 })[0]!;
  same(
    runHere('RMSNormalization', [x, scale], {}, { opset: 23 })[0]!,
    full((i) => Number(rms.data[i]) * Number(scale.data[Math.floor(i / 5)])),
    'RMS',
  );
});

test('RMSNormalization', async () => {
  await agree('RMSNormalization', [floats([3, 7, 33]), floats([33])], {}, { opset: 23 });
  await agree('RMSNormalization', [floats([3, 4, 5]), floats([4, 5])], { axis: int(1) }, { opset: 23 });
});

test('double runs in double; statistics of float16 stay float', () => {
  const inputs = [floats([3, 7]), floats([7]), floats([7])];
  const y = runHere('LayerNormalization', inputs)[0]!;
  same(narrowed(runHere('LayerNormalization', inputs.map(widened))[0]!), y, 'layer', 1e-5, 1e-5);
  const [x, s] = [inputs[0]!, inputs[1]!];
  const z = runHere('RMSNormalization', [x, s], {}, { opset: 23 })[0]!;
  same(narrowed(runHere('RMSNormalization', [x, s].map(widened), {}, { opset: 23 })[0]!), z, 'rms', 1e-5, 1e-5);
  const halves = tensor('float16', [1, 2], Uint16Array.of(0x3c00, 0x4200));
  const one = tensor('float16', [2], Uint16Array.of(0x3c00, 0x3c00));
  const [h, mean, inverse] = runHere('LayerNormalization', [halves, one], { epsilon: float(0) }, { outputs: 3 });
  same(h!, tensor('float16', [1, 2], Uint16Array.of(0xbc00, 0x3c00)), 'halves');
  same(mean!, of([1, 1], 2), 'mean');
  same(inverse!, of([1, 1], 1), '1 / deviation');
  const brains = tensor('bfloat16', [1, 2], Uint16Array.of(0x3f80, 0x4040));
  const ones = tensor('bfloat16', [2], Uint16Array.of(0x3f80, 0x3f80));
  const attributes = { epsilon: float(0), stash_type: int(16) };
  const [b, m] = runHere('LayerNormalization', [brains, ones], attributes, { outputs: 3 });
  same(b!, tensor('bfloat16', [1, 2], Uint16Array.of(0xbf80, 0x3f80)), 'bfloat16');
  same(m!, tensor('bfloat16', [1, 1], Uint16Array.of(0x4000)), 'statistics as stash_type');
  // RMSNormalization has the type of its scale.
  const r = runHere(
    'RMSNormalization',
    [tensor('float16', [1, 1], Uint16Array.of(0x4200)), of([1], 2)],
    {},
    { opset: 23 },
  );
  same(r[0]!, of([1, 1], 2), 'scale of float', 1e-5);
});

test('what does not fit is said', () => {
  const x = floats([3, 4]);
  throws(() => runHere('LayerNormalization', [x, floats([5])]), ModelError, /do not broadcast/);
  throws(() => runHere('LayerNormalization', [x, floats([2, 3, 4])]), ModelError, /Scale: expected a shape/);
  throws(() => runHere('LayerNormalization', [x, floats([4])], { axis: int(2) }), ModelError, /axis: expected -2\.\.1/);
  throws(() => runHere('LayerNormalization', [x, widened(floats([4]))]), ModelError, /Scale: expected type float/);
  throws(
    () => runHere('RMSNormalization', [integers('int8', [3, 4], 0, 5), floats([4])], {}, { opset: 23 }),
    UnsupportedError,
    /found int8/,
  );
});

test.run();
