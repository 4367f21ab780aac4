import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { type Attributes, agree, doubles, floats, int, integers, of, runHere, same, scalar } from './compare.ts';

const close = { rtol: 1e-4, atol: 1e-4 };
const dft = (x: Tensor, attributes: Attributes = {}, length?: number, axis?: number, opset = 20) =>
  runHere(
    'DFT',
    [
      x,
      length === undefined ? undefined : scalar('int64', length),
      axis === undefined ? undefined : scalar('int64', axis),
    ],
    attributes,
    { opset },
  )[0]!;

test('DFT against onnxruntime', async () => {
  for (const n of [1, 2, 8, 12, 17])
    for (const parts of [1, 2]) {
      const x = floats([2, n, 3, parts]);
      await agree('DFT', [x], { axis: int(1) }, { opset: 17, ...close });
      await agree('DFT', [x], { axis: int(2) }, { opset: 17, ...close });
      await agree('DFT', [x, undefined, scalar('int64', 1)], {}, { opset: 20, ...close });
      await agree('DFT', [x], {}, { opset: 20, ...close });
      if (parts === 2) await agree('DFT', [x], { axis: int(1), inverse: int(1) }, { opset: 17, ...close });
      else await agree('DFT', [x], { axis: int(1), onesided: int(1) }, { opset: 17, ...close });
    }
  for (const length of [4, 9, 16]) {
    await agree('DFT', [floats([1, 8, 1]), scalar('int64', length)], { axis: int(1) }, { opset: 17, ...close });
    const attributes = { axis: int(1), onesided: int(1) };
    await agree('DFT', [floats([1, 8, 1]), scalar('int64', length)], attributes, { opset: 17, ...close });
  }
});

test('a real signal, one-sided and back, even and odd', () => {
  for (const n of [1, 2, 7, 8, 12]) {
    const x = floats([3, n, 2, 1]);
    const bins = dft(x, { onesided: int(1) }, undefined, 1);
    same(dft(bins, { onesided: int(1), inverse: int(1) }, n, 1), x, `n = ${n}`, 1e-5, 1e-6);
  }
  const x = of([4, 1], 1, 2, 3, 4);
  const bins = of([3, 2], 10, 0, -2, 2, -2, 0);
  same(dft(x, { onesided: int(1) }, undefined, 0), bins, 'by hand', 1e-6, 1e-6);
  // Without a length the inverse takes it to be even.
  same(dft(bins, { onesided: int(1), inverse: int(1) }), x, 'length 2 (bins - 1)', 1e-6, 1e-6);
});

test('double', () => {
  same(dft(doubles([2, 1], 1, 2)), doubles([2, 2], 3, 0, -1, 0), 'DFT', 1e-15, 1e-15);
});

test('bad DFT input', () => {
  throws(() => dft(floats([4, 3])), ModelError, /expected shape \[..., 1\] or \[..., 2\], found \[4,3\]/);
  throws(() => dft(floats([4])), ModelError, /found \[4\]/);
  throws(() => dft(floats([4, 2]), { onesided: int(1) }), ModelError, /onesided expects real/);
  throws(() => dft(floats([4, 1]), { onesided: int(1), inverse: int(1) }), ModelError, /onesided expects complex/);
  throws(() => dft(floats([4, 1]), {}, undefined, 1), ModelError, /axis: expected a signal axis/);
  throws(() => dft(floats([4, 1]), {}, undefined, 5), ModelError, /axis: expected/);
  throws(() => dft(floats([4, 1]), {}, 0), ModelError, /dft_length: expected 1 or more, found 0/);
  throws(() => dft(floats([0, 1])), ModelError, /dft_length: expected 1 or more, found 0/);
  throws(() => dft(floats([4, 1]), {}, 2 ** 40), UnsupportedError, /dft_length: at most/);
  throws(() => dft(integers('int32', [4, 1], 0, 1)), ModelError, /floating type/);
});

const stft = (...inputs: (Tensor | undefined)[]) => runHere('STFT', inputs)[0]!;

test('STFT against onnxruntime', async () => {
  const step = scalar('int64', 3);
  for (const onesided of [0, 1])
    for (const n of [8, 11]) {
      const attributes = { onesided: int(onesided) };
      await agree('STFT', [floats([2, 40, 1]), step, floats([n], 0.1, 1)], attributes, close);
      await agree('STFT', [floats([2, 40, 1]), step, undefined, scalar('int64', n)], attributes, close);
      await agree('STFT', [floats([2, 40, 1]), step, floats([n], 0.1, 1), scalar('int64', n)], attributes, close);
    }
});

test('STFT of a complex signal: the DFT of every windowed frame', () => {
  const [n, step, frames] = [6, 2, 3];
  const x = floats([1, 10, 2]);
  const w = floats([n], 0.1, 1);
  const y = runHere('STFT', [x, scalar('int64', step), w], { onesided: int(0) })[0]!;
  for (let f = 0; f < frames; f++) {
    const frame = Array.from({ length: 2 * n }, (_, i) => Number(x.data[2 * f * step + i]) * Number(w.data[i >> 1]));
    const part = tensor('float', [n, 2], (y.data as Float32Array).slice(2 * n * f, 2 * n * (f + 1)));
    same(part, dft(of([n, 2], ...frame)), `frame ${f}`, 1e-5, 1e-5);
  }
});

test('STFT of a signal without a last axis', () => {
  const x = floats([2, 20]);
  const column = tensor('float', [2, 20, 1], x.data as Float32Array);
  const rest = [scalar('int64', 4), undefined, scalar('int64', 8)];
  same(stft(x, ...rest), stft(column, ...rest), 'STFT', 0, 0);
});

test('bad STFT input', () => {
  const step = scalar('int64', 2);
  const n = scalar('int64', 4);
  throws(() => stft(floats([1, 3, 1]), step, undefined, n), ModelError, /expected at least one frame of 4/);
  throws(() => stft(floats([1, 9, 1]), scalar('int64', 0), undefined, n), ModelError, /frame_step: expected 1/);
  throws(() => stft(floats([1, 9, 1]), step), ModelError, /input 2 \(window\) is missing/);
  throws(
    () => stft(floats([1, 9, 1]), step, floats([5]), n),
    ModelError,
    /window: expected float \[4\], found float \[5\]/,
  );
  throws(() => stft(floats([1, 9, 2]), step, undefined, n), ModelError, /onesided expects real/);
  throws(() => stft(floats([9]), step, undefined, n), ModelError, /signal: expected shape/);
});

test.run();
