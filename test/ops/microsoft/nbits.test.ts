import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../../src/errors.ts';
import { tensor } from '../../../src/tensor.ts';
import { throws } from '../../throws.ts';
import { type Attributes, agree, floats, int, integers, list, runHere, same, scalar } from '../compare.ts';

const contrib = { domain: 'com.microsoft', atol: 1e-4, rtol: 1e-4 };

interface Weights {
  readonly K: number;
  readonly N: number;
  readonly bits: number;
  readonly block: number;
}

const attributesOf = ({ K, N, bits, block }: Weights): Attributes => ({
  K: int(K),
  N: int(N),
  bits: int(bits),
  block_size: int(block),
});

function inputsOf({ K, N, bits, block }: Weights, m: number, zeros: 'none' | 'packed' | 'float', bias: boolean) {
  const blocks = Math.ceil(K / block);
  const zero =
    zeros === 'none'
      ? undefined
      : zeros === 'packed'
        ? integers('uint8', [N, Math.ceil((blocks * bits) / 8)], 0, 255)
        : floats([N, blocks], 0, 2 ** bits - 1);
  const b = integers('uint8', [N, blocks, (block * bits) / 8], 0, 255);
  return [floats([2, m, K]), b, floats([N, blocks], 0.01, 0.1), zero, undefined, bias ? floats([N]) : undefined];
}

test('MatMulNBits of 2, 4 and 8 bits', async () => {
  for (const bits of [2, 4, 8])
    for (const [K, N, block] of [
      [64, 24, 16],
      [70, 9, 32],
      [256, 16, 128],
    ] as const)
      for (const zeros of ['none', 'packed'] as const) {
        const w = { K, N, bits, block };
        const inputs = inputsOf(w, 3, zeros, zeros === 'packed');
        await agree('MatMulNBits', inputs.slice(0, zeros === 'packed' ? 6 : 3), attributesOf(w), {
          ...contrib,
          constants: [1, 2, 3, 5],
        });
      }
});

test('zero points that are numbers, one row, many rows', async () => {
  const w = { K: 96, N: 40, bits: 4, block: 32 };
  const inputs = inputsOf(w, 1, 'float', false);
  await agree('MatMulNBits', inputs.slice(0, 4), attributesOf(w), { ...contrib, constants: [1, 2, 3, 5] });
  await agree('MatMulNBits', inputsOf(w, 37, 'none', false).slice(0, 3), attributesOf(w), contrib);
});

test('accuracy_level 4 rounds activations to 8 bits in blocks, the others do not', () => {
  const w = { K: 96, N: 24, bits: 4, block: 32 };
  for (const m of [1, 2, 19]) {
    const inputs = inputsOf(w, m, 'packed', true);
    const at = (level: number) =>
      runHere('MatMulNBits', inputs, { ...attributesOf(w), accuracy_level: int(level) }, contrib)[0]!;
    const [exact, float, rounded] = [at(0), at(1), at(4)];
    assert.equal(float!.data, exact!.data);
    const size = Math.max(...[...exact!.data].map((v) => Math.abs(Number(v))));
    let off = 0;
    exact!.data.forEach((v, i) => {
      off = Math.max(off, Math.abs(Number(v) - Number(rounded!.data[i])));
    });
    assert.ok(off > 1e-5 * size && off < 0.03 * size, `${m} rows: off by ${off / size}`);
  }
});

test('weights are decoded some rows at a time', () => {
  // 3000 rows of 1024 are more than one portion.
  const w = { K: 1024, N: 3000, bits: 2, block: 1024 };
  const [, b, scales] = inputsOf(w, 1, 'none', false);
  const unit = new Float32Array(1024);
  unit[5] = 1;
  const [y] = runHere('MatMulNBits', [tensor('float', [1, 1024], unit), b, scales], attributesOf(w), contrib);
  for (const n of [0, 1, 2047, 2048, 2999]) {
    const code = (Number(b!.data[n * 256 + 1]) >> 2) & 3;
    assert.is(y!.data[n], Math.fround((code - 2) * Number(scales!.data[n])));
  }
});

test('MatMulNBits refuses what contradicts itself', () => {
  const w = { K: 64, N: 8, bits: 4, block: 32 };
  const [a, b, scales] = inputsOf(w, 2, 'none', false);
  const run = (inputs: Parameters<typeof runHere>[1], attributes: Attributes = attributesOf(w)) =>
    runHere('MatMulNBits', inputs, attributes, contrib);
  throws(() => run([a, b, scales, undefined, integers('int32', [64], 0, 1)]), UnsupportedError, /g_idx/);
  throws(() => run([a, b, scales], { ...attributesOf(w), bits: int(3) }), UnsupportedError, /"bits"/);
  throws(() => run([a, b, scales], { ...attributesOf(w), block_size: int(24) }), ModelError, /"block_size"/);
  throws(() => run([a, b, scales], { ...attributesOf(w), N: int(2 ** 29) }), ModelError, /B: expected shape/);
  throws(() => run([a, b, floats([8, 3])]), ModelError, /scales: expected shape \[8,2\]/);
  throws(() => run([floats([2, 63]), b, scales]), ModelError, /A: expected a last axis of 64/);
  throws(() => run([a, b, scales, integers('uint8', [8, 3], 0, 1)]), ModelError, /zero_points: expected uint8/);
});

test('GatherBlockQuantized', async () => {
  const indices = tensor('int64', [2, 3], BigInt64Array.of(0n, 4n, -1n, 2n, 2n, 6n));
  for (const bits of [4, 8]) {
    const data = integers('uint8', [7, (64 * bits) / 8], 0, 255);
    const attributes = { bits: int(bits), block_size: int(32), quantize_axis: int(1), gather_axis: int(0) };
    await agree('GatherBlockQuantized', [data, indices, floats([7, 2])], attributes, { ...contrib, constants: [0, 2] });
    const zeros = integers('uint8', [7, (2 * bits) / 8], 0, 255);
    await agree('GatherBlockQuantized', [data, indices, floats([7, 2]), zeros], attributes, {
      ...contrib,
      constants: [0, 2, 3],
    });
  }
  // Two bits: codes 0..3 less 2, times the scale of the block.
  const two = tensor('uint8', [1, 8], Uint8Array.of(0b11100100, 0, 0, 0, 0b00011011, 0, 0, 0));
  const [y] = runHere(
    'GatherBlockQuantized',
    [two, list(0), floats([1, 2], 1, 1)],
    { bits: int(2), block_size: int(16) },
    contrib,
  );
  assert.equal([...y!.data].slice(0, 5), [-2, -1, 0, 1, -2]);
  assert.equal([...y!.data].slice(16, 20), [1, 0, -1, -2]);
});

test('GatherBlockQuantized of 4-bit types along any axis', () => {
  const data = integers('int4', [3, 20, 2], -8, 7);
  const scales = floats([3, 2, 2]);
  const zeros = integers('int4', [3, 2, 2], -8, 7);
  const attributes = { quantize_axis: int(1), gather_axis: int(2), block_size: int(16) };
  const [y] = runHere('GatherBlockQuantized', [data, scalar('int32', 1), scales, zeros], attributes, contrib);
  const want = new Float32Array(60);
  for (let i = 0; i < 3; i++)
    for (let j = 0; j < 20; j++) {
      const s = (i * 2 + Math.floor(j / 16)) * 2 + 1;
      want[i * 20 + j] = (Number(data.data[(i * 20 + j) * 2 + 1]) - Number(zeros.data[s])) * Number(scales.data[s]);
    }
  same(y!, tensor('float', [3, 20], want), 'along axis 2');
  throws(
    () => runHere('GatherBlockQuantized', [data, list(0), floats([3, 3, 2])], attributes, contrib),
    ModelError,
    /scales: expected shape/,
  );
  throws(
    () => runHere('GatherBlockQuantized', [data, list(2), scales], attributes, contrib),
    ModelError,
    /indices: expected -2\.\.1/,
  );
  throws(
    () => runHere('GatherBlockQuantized', [data, floats([1]), scales], attributes, contrib),
    ModelError,
    /indices: expected type/,
  );
});

test.run();
