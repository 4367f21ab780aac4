import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../../src/errors.ts';
import { type Tensor, tensor } from '../../../src/tensor.ts';
import { throws } from '../../throws.ts';
import { type Attributes, agree, float, floats, int, integers, ints, runHere, scalar } from '../compare.ts';

const contrib = { domain: 'com.microsoft', atol: 1e-5 };
const int32 = (dims: number[], ...v: number[]) => tensor('int32', dims, Int32Array.from(v));

/** Heads 3 of 4 elements, input of 10. */
const projection = () => [floats([10, 36], -0.5, 0.5), floats([36])];
const heads = { num_heads: int(3) };

test('Attention with every form of mask', async () => {
  const x = floats([2, 5, 10]);
  const masks: (Tensor | undefined)[] = [
    undefined,
    int32([2], 3, 5),
    int32([4], 4, 5, 1, 0),
    int32([2, 5], 1, 1, 1, 0, 0, 0, 1, 1, 1, 1),
    integers('int32', [2, 5, 5], 0, 1),
  ];
  for (const mask of masks)
    for (const unidirectional of [0, 1])
      await agree('Attention', [x, ...projection(), mask], { ...heads, unidirectional: int(unidirectional) }, contrib);
  await agree(
    'Attention',
    [x, ...projection(), masks[3]],
    { ...heads, mask_filter_value: float(-2), scale: float(0.3) },
    contrib,
  );
});

test('Attention with past, bias and values of another width', async () => {
  const x = floats([2, 3, 10]);
  const past = floats([2, 2, 3, 4, 4]);
  const two = { ...contrib, outputs: 2 };
  await agree('Attention', [x, ...projection(), undefined, past], heads, two);
  await agree('Attention', [x, ...projection(), undefined, past], { ...heads, unidirectional: int(1) }, two);
  await agree('Attention', [x, ...projection(), integers('int32', [2, 7], 0, 1), past], heads, two);
  await agree('Attention', [x, ...projection()], heads, two);
  await agree('Attention', [x, ...projection(), undefined, undefined, floats([2, 3, 3, 3])], heads, contrib);
  await agree('Attention', [x, ...projection(), undefined, undefined, floats([1, 3, 3, 3])], heads, contrib);
  const wide = { ...heads, qkv_hidden_sizes: ints(12, 12, 24) };
  await agree('Attention', [x, floats([10, 48]), floats([48])], wide, { ...contrib, constants: [1, 2] });
});

test('a 4-D mask is the square of the longest sequence', () => {
  const x = floats([2, 3, 10]);
  const [w, b] = projection();
  const past = floats([2, 2, 3, 2, 4]);
  const square = integers('int32', [2, 1, 8, 8], 0, 1);
  const cut = int32(
    [2, 3, 5],
    ...Array.from({ length: 30 }, (_, i) => {
      const [n, s, j] = [Math.floor(i / 15), Math.floor(i / 5) % 3, i % 5];
      return Number(square.data[(n * 8 + 2 + s) * 8 + j]);
    }),
  );
  const run = (mask: Tensor) => runHere('Attention', [x, w, b, mask, past], heads, contrib)[0]!;
  assert.equal([...run(square).data], [...run(cut).data]);
});

test('QAttention', async () => {
  const x = integers('uint8', [2, 5, 10], 0, 255);
  for (const type of ['int8', 'uint8'] as const) {
    const w = integers(type, [10, 36], type === 'int8' ? -127 : 0, 127);
    const scales = [floats([36], -1, 1), scalar('float', 0.01), scalar('float', 0.02)];
    const zeros = [scalar('uint8', 120), scalar(type, 3)];
    const masks = [undefined, int32([2, 5], 1, 1, 1, 0, 0, 0, 1, 1, 1, 1)];
    for (const mask of masks) await agree('QAttention', [x, w, ...scales, mask, ...zeros], heads, contrib);
    const past = floats([2, 2, 3, 4, 4]);
    const causal = { ...heads, unidirectional: int(1) };
    await agree('QAttention', [x, w, ...scales, undefined, ...zeros, past], causal, { ...contrib, outputs: 2 });
  }
});

const apart = (rows: number, keys: number) => [floats([2, rows, 12]), floats([2, keys, 12]), floats([2, keys, 12])];

test('MultiHeadAttention apart', async () => {
  for (const [rows, keys] of [
    [5, 5],
    [3, 7],
    [1, 4],
  ] as const) {
    await agree('MultiHeadAttention', apart(rows, keys), heads, contrib);
    await agree('MultiHeadAttention', [...apart(rows, keys), floats([36])], heads, contrib);
    await agree('MultiHeadAttention', [...apart(rows, keys), undefined, int32([2], 2, 4)], heads, contrib);
    const padding = integers('int32', [2, keys], 0, 1);
    await agree('MultiHeadAttention', [...apart(rows, keys), floats([36]), padding], heads, contrib);
    const bias = floats([1, 3, rows, keys]);
    await agree('MultiHeadAttention', [...apart(rows, keys), undefined, undefined, bias], heads, contrib);
  }
  const causal: Attributes = { ...heads, unidirectional: int(1), scale: float(0.4) };
  await agree('MultiHeadAttention', apart(5, 5), causal, contrib);
  const [q, k] = apart(3, 7);
  await agree('MultiHeadAttention', [q, k, floats([2, 7, 24]), floats([48])], heads, contrib);
});

test('MultiHeadAttention with a cache', async () => {
  const past = [floats([2, 3, 6, 4]), floats([2, 3, 6, 4])];
  const four = { ...contrib, outputs: 3 };
  await agree('MultiHeadAttention', [...apart(2, 2), undefined, undefined, undefined, ...past], heads, four);
  const bias = floats([36]);
  const causal = { ...heads, unidirectional: int(1) };
  await agree(
    'MultiHeadAttention',
    [...apart(2, 2), bias, integers('int32', [2, 8], 0, 1), undefined, ...past],
    causal,
    four,
  );
  await agree('MultiHeadAttention', apart(3, 3), heads, four);
  const crossed = [floats([2, 3, 12]), floats([2, 3, 7, 4]), floats([2, 3, 7, 4])];
  await agree('MultiHeadAttention', crossed, heads, contrib);
  throws(
    () => runHere('MultiHeadAttention', [...apart(2, 2), undefined, undefined, undefined, past[0]], heads, contrib),
    ModelError,
    /past_key and past_value/,
  );
});

test('the fourth output is the masked scores before their softmax', () => {
  const [q, k] = apart(2, 3);
  const v = tensor(
    'float',
    [2, 3, 12],
    new Float32Array(72).map((_, i) => (Math.floor(i / 12) % 3 === 1 ? 1 : 0)),
  );
  const mask = int32([2, 3], 1, 1, 0, 1, 1, 1);
  const inputs = [q, k, v, undefined, mask];
  const [y, , , scores] = runHere('MultiHeadAttention', inputs, heads, { ...contrib, outputs: 4 });
  assert.equal(
    [...scores!.data].slice(0, 18).map((s) => Number(s) < -5000),
    Array.from({ length: 18 }, (_, i) => i % 3 === 2),
  );
  // Values are 1 at key 1 alone: every element of the result is that key's share.
  const rows = Array.from({ length: 12 }, (_, r) =>
    [...scores!.data].slice(3 * r, 3 * r + 3).map((s) => Math.exp(Number(s))),
  );
  rows.forEach(([a, b, c], r) => {
    const [n, h, s] = [Math.floor(r / 6), Math.floor(r / 2) % 3, r % 2];
    const at = (n * 2 + s) * 12 + h * 4;
    assert.ok(Math.abs(Number(y!.data[at]) - b! / (a! + b! + c!)) < 1e-5);
  });
});

test('MultiHeadAttention packed is the same as apart', () => {
  const [batch, length, n, d] = [2, 5, 3, 4];
  const packed = floats([batch, length, n, 3, d]);
  const part = (tensors: number, from: number, of: Tensor) => {
    const out = new Float32Array(batch * length * n * d);
    for (let i = 0; i < out.length; i++) {
      const [head, e] = [Math.floor(i / d), i % d];
      out[i] = Number(of.data[(head * tensors + from) * d + e]);
    }
    return tensor('float', [batch, length, n * d], out);
  };
  const [q, k, v] = [0, 1, 2].map((i) => part(3, i, packed)) as [Tensor, Tensor, Tensor];
  const want = runHere('MultiHeadAttention', [q, k, v], heads, contrib)[0]!;
  assert.equal([...runHere('MultiHeadAttention', [packed], heads, contrib)[0]!.data], [...want.data]);
  const bias = floats([36]);
  const shifted = runHere('MultiHeadAttention', [q, k, v, bias], heads, contrib)[0]!;
  const both = runHere('MultiHeadAttention', [packed, undefined, undefined, bias], heads, contrib)[0]!;
  assert.equal([...both.data], [...shifted.data]);
  const pair = floats([batch, length, n, 2, d]);
  const [pk, pv] = [part(2, 0, pair), part(2, 1, pair)];
  assert.equal(
    [...runHere('MultiHeadAttention', [q, pair], heads, contrib)[0]!.data],
    [...runHere('MultiHeadAttention', [q, pk, pv], heads, contrib)[0]!.data],
  );
});

test('what contradicts itself is named', () => {
  const x = floats([2, 5, 10]);
  const run =
    (inputs: Parameters<typeof runHere>[1], attributes: Attributes = heads) =>
    () =>
      runHere('Attention', [x, ...inputs], attributes, contrib);
  throws(run([floats([10, 35])]), ModelError, /weights: 35 columns do not divide/);
  throws(run([floats([9, 36])]), ModelError, /weights: expected shape \[10,36\]/);
  throws(run(projection(), { num_heads: int(5) }), ModelError, /12 features do not divide into 5 heads/);
  throws(run([...projection(), int32([3], 1, 1, 1)]), ModelError, /mask: expected shape/);
  throws(run([...projection(), int32([8], 1, 1, 1, 1, 1, 1, 1, 1)]), UnsupportedError, /cumulated lengths/);
  throws(run([...projection(), undefined, floats([2, 2, 3, 4, 5])]), ModelError, /past: expected shape/);
  throws(run(projection(), { ...heads, do_rotary: int(1) }), UnsupportedError, /"do_rotary"/);
});

test.run();
