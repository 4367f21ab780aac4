import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Tensor } from '../../../src/tensor.ts';
import { tensor } from '../../../src/tensor.ts';
import { type Attributes, agree, type Case, floats, int, integers, runHere, scalar } from '../compare.ts';

/** float16 in com.microsoft: widened, computed in float, rounded once at the end. */

const cast = (t: Tensor, to: number) => runHere('Cast', [t], { to: int(to) })[0]!;
const half = (dims: number[], lo = -1, hi = 1) => cast(floats(dims, lo, hi), 10);
const contrib = { domain: 'com.microsoft' };

/** The node on halves gives what it gives on the same numbers in float, rounded. */
function rounds(op: string, inputs: (Tensor | undefined)[], attributes: Attributes = {}, c: Case = contrib): void {
  const wide = inputs.map((t) => (t?.dtype === 'float16' ? cast(t, 1) : t));
  const want = runHere(op, wide, attributes, c);
  runHere(op, inputs, attributes, c).forEach((t, i) => {
    assert.is(t.dtype, 'float16', `${op} output ${i}`);
    assert.equal([...t.data], [...cast(want[i]!, 10).data], `${op} output ${i}`);
  });
}

test('norms, products and attention round once', () => {
  rounds('SkipLayerNormalization', [half([2, 3, 8]), half([2, 3, 8]), half([8]), half([8])]);
  rounds('FastGelu', [half([2, 8]), half([8])]);
  rounds('FusedMatMul', [half([3, 5]), half([5, 7])]);
  rounds('MultiHeadAttention', [half([2, 3, 8]), half([2, 5, 8]), half([2, 5, 8]), half([24])], { num_heads: int(2) });
  const lengths = [tensor('int32', [1], Int32Array.of(2)), scalar('int32', 3)];
  const prompt = [half([1, 3, 32]), half([1, 3, 16]), half([1, 3, 16]), undefined, undefined, ...lengths];
  rounds('GroupQueryAttention', prompt, { num_heads: int(4), kv_num_heads: int(2) }, { ...contrib, outputs: 3 });
  const b = integers('uint8', [6, 2, 16], 0, 255);
  rounds('MatMulNBits', [half([2, 40]), b, half([6, 2])], { K: int(40), N: int(6), bits: int(4), block_size: int(32) });
});

test('as onnxruntime has it, to a few units in the last place', async () => {
  const c = { ...contrib, rtol: 4e-3, atol: 4e-3 };
  await agree('SkipLayerNormalization', [half([2, 3, 16]), half([2, 3, 16]), half([16]), half([16])], {}, c);
  await agree('FastGelu', [half([2, 16])], {}, c);
  const weights = [integers('uint8', [16, 2, 16], 0, 255), half([16, 2], 0.01, 0.05)];
  const attributes = { K: int(64), N: int(16), bits: int(4), block_size: int(32) };
  await agree('MatMulNBits', [half([3, 64]), ...weights], attributes, { ...c, constants: [1, 2], atol: 2e-2 });
});

test.run();
