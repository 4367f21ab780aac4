import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { type Attributes, agree, doubles, float, floats, int, integers, runHere, same } from './compare.ts';

const at24 = { opset: 24, atol: 1e-5 };
const at23 = { opset: 23, atol: 1e-5 };
const lengths = (...v: number[]) => tensor('int64', [v.length], BigInt64Array.from(v, BigInt));
const four = (heads: number, rows: number, size: number) => floats([2, heads, rows, size]);
const qkv = () => [four(3, 4, 8), four(3, 6, 8), four(3, 6, 10)];
const packed = { q_num_heads: int(6), kv_num_heads: int(3) };

test('heads first and heads last, grouped queries', async () => {
  await agree('Attention', qkv(), {}, at23);
  await agree('Attention', [four(6, 4, 8), four(3, 6, 8), four(3, 6, 10)], { scale: float(0.3) }, at23);
  await agree('Attention', [floats([2, 4, 48]), floats([2, 6, 24]), floats([2, 6, 30])], packed, at23);
  await agree('Attention', [four(4, 1, 8), four(1, 9, 8), four(1, 9, 8)], { softcap: float(0.7) }, at23);
});

test('masks: boolean, additive, broadcast, causal', async () => {
  for (const dims of [
    [4, 6],
    [2, 1, 4, 6],
    [2, 3, 4, 6],
    [1, 3, 4, 6],
  ])
    for (const is_causal of [0, 1]) {
      await agree('Attention', [...qkv(), floats(dims)], { is_causal: int(is_causal) }, at23);
      await agree('Attention', [...qkv(), integers('bool', dims, 0, 1)], { is_causal: int(is_causal) }, at23);
    }
  // A row that sees nothing is zero.
  const blind = new Float32Array(24).fill(Number.NEGATIVE_INFINITY, 6, 12);
  await agree('Attention', [...qkv(), tensor('float', [4, 6], blind)], {}, at23);
});

test('cache, in both layouts', async () => {
  const past = [four(3, 5, 8), four(3, 5, 10)];
  const three = { ...at23, outputs: 3 };
  for (const is_causal of [0, 1]) {
    await agree('Attention', [...qkv(), undefined, ...past], { is_causal: int(is_causal) }, three);
    const flat = [floats([2, 4, 48]), floats([2, 6, 24]), floats([2, 6, 30]), floats([4, 11]), ...past];
    await agree('Attention', flat, { ...packed, is_causal: int(is_causal) }, three);
  }
  await agree('Attention', qkv(), {}, three);
});

test('scores at every stage', () => {
  const inputs = [...qkv(), floats([4, 6])];
  const run = (mode: number) =>
    runHere(
      'Attention',
      inputs,
      { qk_matmul_output_mode: int(mode), softcap: float(2), is_causal: int(1) },
      { ...at23, outputs: 4 },
    )[3]!;
  const [product, capped, biased, shares] = [0, 1, 2, 3].map((mode) => [...run(mode).data].map(Number)) as number[][];
  const mask = inputs[3]!.data as Float32Array;
  product!.forEach((p, i) => {
    const [row, key] = [Math.floor(i / 6) % 4, i % 6];
    assert.ok(Math.abs(capped![i]! - 2 * Math.tanh(p / 2)) < 1e-5);
    if (key > row) assert.is(biased![i], Number.NEGATIVE_INFINITY);
    else assert.ok(Math.abs(biased![i]! - capped![i]! - mask[row * 6 + key]!) < 1e-5);
    const from = i - key;
    const sum = biased!.slice(from, from + 6).reduce((s, v) => s + Math.exp(v), 0);
    assert.ok(Math.abs(shares![i]! - Math.exp(biased![i]!) / sum) < 1e-5);
  });
});

test('nonpad_kv_seqlen as onnxruntime has it', async () => {
  const none = [undefined, undefined, undefined];
  for (const is_causal of [0, 1])
    for (const n of [lengths(5, 4), lengths(6, 0), lengths(1, 2)])
      await agree('Attention', [...qkv(), ...none, n], { is_causal: int(is_causal) }, at24);
});

test('nonpad_kv_seqlen hides what is beyond, and aligns the causal mask to the end', () => {
  const [q, k, v] = qkv() as [Tensor, Tensor, Tensor];
  const run = (attributes: Attributes, ...rest: (Tensor | undefined)[]) =>
    runHere('Attention', [q, k, v, ...rest], attributes, at24)[0]!;
  const none = [undefined, undefined, undefined] as const;
  const mask = (seen: (b: number, row: number, key: number) => boolean) =>
    tensor(
      'bool',
      [2, 1, 4, 6],
      Uint8Array.from({ length: 48 }, (_, i) => (seen(Math.floor(i / 24), Math.floor(i / 6) % 4, i % 6) ? 1 : 0)),
    );
  const ends = [5, 4];
  same(
    run({}, ...none, lengths(5, 4)),
    run(
      {},
      mask((b, _, key) => key < ends[b]!),
    ),
    'padding',
  );
  const causal = run({ is_causal: int(1) }, ...none, lengths(5, 4));
  same(
    causal,
    run(
      {},
      mask((b, row, key) => key <= row + ends[b]! - 4),
    ),
    'causal',
  );
});

test('a mask shorter than the keys ends hidden, from version 24 on', async () => {
  const [q, k, v] = qkv() as [Tensor, Tensor, Tensor];
  const short = floats([4, 4]);
  const long = new Float32Array(24).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < 16; i++) long[Math.floor(i / 4) * 6 + (i % 4)] = Number(short.data[i]);
  const want = runHere('Attention', [q, k, v, tensor('float', [4, 6], long)], {}, at24)[0]!;
  same(runHere('Attention', [q, k, v, short], {}, at24)[0]!, want, 'padded');
  throws(
    () => runHere('Attention', [q, k, v, short], {}, at23),
    ModelError,
    /attn_mask: expected a shape that broadcasts to \[2,3,4,6\]/,
  );
});

test('double, float16 and a softmax in float16', async () => {
  const wide = (t: Tensor) => tensor('double', t.dims, Float64Array.from(t.data as Float32Array));
  const inputs = qkv();
  const [want] = runHere('Attention', inputs, { is_causal: int(1) }, at23);
  const [y] = runHere('Attention', inputs.map(wide), { is_causal: int(1) }, at23);
  assert.is(y!.dtype, 'double');
  same(tensor('float', y!.dims, Float32Array.from(y!.data as Float64Array)), want!, 'double', 1e-5, 1e-5);
  // exp(1), exp(0) in doubles.
  const [exact] = runHere(
    'Attention',
    [doubles([1, 1, 1, 1], 1), doubles([1, 1, 2, 1], 1, 0), doubles([1, 1, 2, 1], 1, 0)],
    {},
    at23,
  );
  assert.ok(Math.abs(Number(exact!.data[0]) - Math.E / (Math.E + 1)) < 1e-15);
  const half = runHere(
    'Attention',
    inputs,
    { softmax_precision: int(10), qk_matmul_output_mode: int(3) },
    { ...at23, outputs: 4 },
  );
  const bits = new Uint32Array((half[3]!.data as Float32Array).buffer);
  assert.ok(
    bits.every((b) => (b & 0xfff) === 0),
    'shares are halves',
  );
});

test('what contradicts itself is named', () => {
  const [q, k, v] = qkv() as [Tensor, Tensor, Tensor];
  const run =
    (inputs: (Tensor | undefined)[], attributes: Attributes = {}) =>
    () =>
      runHere('Attention', inputs, attributes, at24);
  const flat = [floats([2, 4, 48]), floats([2, 6, 24]), floats([2, 6, 30])];
  throws(run(flat), ModelError, /"q_num_heads"/);
  throws(
    run(flat, { q_num_heads: int(5), kv_num_heads: int(3) }),
    ModelError,
    /48 features do not divide into 5 heads/,
  );
  throws(run([q, four(3, 6, 7), v]), ModelError, /heads of one size, found 8 and 7/);
  throws(run([q, k, four(3, 5, 10)]), ModelError, /as many heads and positions/);
  throws(run([q, four(2, 6, 8), four(2, 6, 8)]), ModelError, /3 query heads do not divide among 2/);
  throws(run([q, k, v, undefined, four(3, 5, 8)]), ModelError, /past_key and past_value: expected both/);
  throws(
    run([q, k, v, undefined, four(3, 5, 8), four(3, 4, 10)]),
    ModelError,
    /past_value: expected shape \[2,3,5,10\]/,
  );
  throws(
    run([q, k, v, undefined, undefined, undefined, lengths(5, 7)]),
    ModelError,
    /nonpad_kv_seqlen: expected 0\.\.6, found 7/,
  );
  throws(run([q, k, v, floats([5, 6])]), ModelError, /attn_mask: expected/);
  throws(run([integers('int32', [2, 3, 4, 8], 0, 1), k, v]), UnsupportedError, /Q: expected a floating type/);
  throws(run([q, k, v], { qk_matmul_output_mode: int(4) }), UnsupportedError, /"qk_matmul_output_mode"/);
});

test.run();
