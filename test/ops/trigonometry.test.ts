import { test } from 'uvu';
import { ModelError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, agreeIfThere, doubles, floats, integers, of, runHere, same } from './compare.ts';

const RANGES: Record<string, [number, number]> = {
  Sin: [-50, 50],
  Cos: [-50, 50],
  Tan: [-1.5, 1.5],
  Asin: [-1, 1],
  Acos: [-1, 1],
  Atan: [-9, 9],
  Sinh: [-9, 9],
  Cosh: [-9, 9],
  Asinh: [-9, 9],
  Acosh: [1, 9],
  Atanh: [-0.99, 0.99],
};

test('against onnxruntime, float and double', async () => {
  for (const [op, [lo, hi]] of Object.entries(RANGES)) {
    const x = floats([3, 5, 7], lo, hi);
    await agree(op, [x], {}, { rtol: 2e-6 });
    await agree(op, [floats([])], {}, { rtol: 1e-2, atol: 10 });
    const wide = doubles(x.dims, ...(x.data as Float32Array));
    await agreeIfThere(op, [wide], {}, { rtol: 1e-12, atol: 1e-14 });
    const f = (Math as unknown as Record<string, (v: number) => number>)[op.toLowerCase()]!;
    same(runHere(op, [wide])[0]!, doubles(x.dims, ...Array.from(x.data as Float32Array, f)), op, 1e-15, 0);
  }
});

test('sine and cosine of large and of no numbers', () => {
  const x = of([6], 1e6, 2 ** 20, 1e9, -1e30, Number.POSITIVE_INFINITY, Number.NaN);
  for (const [op, f] of [['Sin', Math.sin] as const, ['Cos', Math.cos] as const])
    same(runHere(op, [x])[0]!, of([6], ...Array.from(x.data as Float32Array, f)), op, 1e-6, 1e-7);
});

test('bfloat16', () => {
  const [y] = runHere('Cos', [tensor('bfloat16', [2], Uint16Array.of(0, 0x3f80))], {}, { opset: 22 });
  same(y!, tensor('bfloat16', [2], Uint16Array.of(0x3f80, 0x3f0a)), 'Cos', 0, 0);
});

test('integers have none', () => {
  throws(() => runHere('Sin', [integers('int32', [2], 0, 1)]), ModelError, /expected a floating type, found int32/);
});

test.run();
