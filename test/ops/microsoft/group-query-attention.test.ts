import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../../src/errors.ts';
import { type Tensor, tensor } from '../../../src/tensor.ts';
import { throws } from '../../throws.ts';
import { type Attributes, agree, float, floats, int, runHere, same, scalar, string } from '../compare.ts';

const contrib = { domain: 'com.microsoft', atol: 1e-5, outputs: 3 };
const heads = { num_heads: int(6), kv_num_heads: int(2) };
const SIZE = 16;

const int32 = (...v: number[]) => tensor('int32', [v.length], Int32Array.from(v));

/** Inputs 0..6: queries of 6 heads, keys and values of 2, cache of `past` rows, lengths. */
function prompt(batch: number, length: number): (Tensor | undefined)[] {
  const kv = () => floats([batch, length, 2 * SIZE]);
  const empty = () => floats([batch, 2, 0, SIZE]);
  return [
    floats([batch, length, 6 * SIZE]),
    kv(),
    kv(),
    empty(),
    empty(),
    int32(...new Array<number>(batch).fill(length - 1)),
    scalar('int32', length),
  ];
}

/** One token after `used` cached ones of each entry, in a cache with `room` rows. */
function token(used: readonly number[], room: number): (Tensor | undefined)[] {
  const batch = used.length;
  const kv = () => floats([batch, 1, 2 * SIZE]);
  const cache = () => floats([batch, 2, room, SIZE]);
  return [
    floats([batch, 1, 6 * SIZE]),
    kv(),
    kv(),
    cache(),
    cache(),
    int32(...used),
    scalar('int32', Math.max(...used) + 1),
  ];
}

const caches = () => [floats([40, SIZE / 2], -1, 1), floats([40, SIZE / 2], -1, 1)];

test('a prompt', async () => {
  await agree('GroupQueryAttention', prompt(2, 5), heads, contrib);
  await agree('GroupQueryAttention', prompt(1, 7), { ...heads, scale: float(0.2), softcap: float(1.5) }, contrib);
  await agree('GroupQueryAttention', prompt(1, 9), { ...heads, local_window_size: int(3) }, contrib);
  await agree('GroupQueryAttention', prompt(2, 5), { ...heads, smooth_softmax: int(1) }, contrib);
  for (const rotary_interleaved of [0, 1]) {
    const rotary = { ...heads, do_rotary: int(1), rotary_interleaved: int(rotary_interleaved) };
    await agree('GroupQueryAttention', [...prompt(2, 5), ...caches()], rotary, contrib);
  }
});

test('a prompt packed in one', async () => {
  const [, , , ...rest] = prompt(2, 5);
  const packed = floats([2, 5, 10 * SIZE]);
  await agree(
    'GroupQueryAttention',
    [packed, undefined, undefined, ...rest, ...caches()],
    { ...heads, do_rotary: int(1) },
    contrib,
  );
});

test('a token after a cache, of which entries use their own part', async () => {
  for (const used of [[6, 6], [6, 3], [1]]) {
    const room = Math.max(...used) + 1;
    await agree('GroupQueryAttention', [...token(used, room), ...caches()], { ...heads, do_rotary: int(1) }, contrib);
    await agree('GroupQueryAttention', token(used, room), { ...heads, local_window_size: int(2) }, contrib);
  }
});

test('additive bias and a sink a head', async () => {
  const bias = floats([1, 6, 5, 5]);
  const rest = [undefined, undefined, undefined, bias];
  await agree('GroupQueryAttention', [...prompt(2, 5), ...rest], heads, contrib);
  await agree('GroupQueryAttention', [...prompt(2, 5), ...rest, floats([6])], heads, contrib);
  await agree(
    'GroupQueryAttention',
    [...token([6, 6], 7), undefined, undefined, undefined, floats([2, 6, 1, 7])],
    heads,
    contrib,
  );
});

test('scores on request', async () => {
  for (const qk_output of [1, 2])
    await agree(
      'GroupQueryAttention',
      prompt(1, 5),
      { ...heads, qk_output: int(qk_output) },
      { ...contrib, outputs: 4 },
    );
});

test('normalized heads', () => {
  const inputs = prompt(1, 3);
  const ones = tensor('float', [SIZE], new Float32Array(SIZE).fill(1));
  const rms = (t: Tensor) => {
    const out = Float32Array.from(t.data as Float32Array);
    for (let at = 0; at < out.length; at += SIZE) {
      const row = out.subarray(at, at + SIZE);
      const root = Math.sqrt(row.reduce((s, v) => s + v * v, 0) / SIZE + 1e-6);
      for (let i = 0; i < SIZE; i++) row[i]! /= root;
    }
    return tensor('float', t.dims, out);
  };
  const normed = [rms(inputs[0]!), rms(inputs[1]!), ...inputs.slice(2)];
  const empty = new Array<undefined>(7).fill(undefined);
  const one = { ...contrib, outputs: 1 };
  const [y] = runHere('GroupQueryAttention', [...inputs, ...empty, ones, ones], heads, one);
  same(y!, runHere('GroupQueryAttention', normed, heads, one)[0]!, 'normed', 1e-4, 1e-5);
});

test('without a causal mask every key is seen', () => {
  const [q, k, v, ...rest] = prompt(1, 4);
  const run = (attributes: Attributes) =>
    runHere('GroupQueryAttention', [q, k, v, ...rest], { ...heads, ...attributes }, { ...contrib, outputs: 1 })[0]!;
  const [causal, all] = [run({}), run({ causal: int(0) })];
  const last = 3 * 6 * SIZE;
  assert.equal([...causal.data].slice(last), [...all.data].slice(last));
  assert.not.equal([...causal.data].slice(0, SIZE), [...all.data].slice(0, SIZE));
});

test('what contradicts itself is named', () => {
  const run =
    (inputs: (Tensor | undefined)[], attributes: Attributes = heads) =>
    () =>
      runHere('GroupQueryAttention', inputs, attributes, contrib);
  const [q, k, v, pk, pv, lengths, total] = prompt(2, 5);
  throws(run([q, k, v, pk, pv, int32(4, 5), total]), ModelError, /seqlens_k: expected 0\.\.4, found 5/);
  throws(run([q, k, v, pk, pv, int32(4), total]), ModelError, /seqlens_k: expected 2 lengths/);
  throws(run([q, k, v, pk, pv, lengths, scalar('int32', 4)]), ModelError, /total_sequence_length: expected >= 5/);
  throws(run([q, k, v, pk, undefined, lengths, total]), ModelError, /past_key and past_value/);
  throws(run([q, k, v, floats([2, 3, 0, SIZE]), pv, lengths, total]), ModelError, /past_key: expected shape/);
  throws(run([q, k, v, pk, pv, int32(0, 4), scalar('int32', 9)]), ModelError, /cache of batch entry 0/);
  throws(
    run([q, k, v, pk, pv, lengths, total], { num_heads: int(6), kv_num_heads: int(4) }),
    ModelError,
    /do not divide/,
  );
  throws(
    run([...prompt(1, 5), ...caches().map((t) => floats([3, t.dims[1]!]))], { ...heads, do_rotary: int(1) }),
    ModelError,
    /cos_cache \[3,8\]: expected 5 positions/,
  );
  throws(run(prompt(1, 5), { ...heads, k_quant_type: string('PER_TENSOR') }), UnsupportedError, /"k_quant_type"/);
});

test.run();
