// test/ops/slopes.test.ts
import { test } from 'uvu';
import { agree, float, floats } from './compare.ts';

test('LeakyRelu', async () => {
  for (const dims of [[3], [2, 5, 7], [0], []])
    await agree('LeakyRelu', [floats(dims)], { alpha: float(0.3) }, { opset: 17 });
});

test.run();
