import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { NODE, TENSOR } from '../../src/onnx/schema.ts';
import { show, showDims } from '../../src/onnx/show.ts';
import { split, toNumber } from '../../src/onnx/wire.ts';
import { fixed32, int, join8, len, throwsKappa, varint } from './build.ts';

test('fields go where they were asked for, in their order', () => {
  const bytes = join8(len(1, 'a'), len(30, 'u'), len(5, 'x'), len(1, 'b'), int(31, 4), len(5, 'y'), len(4, 'Op'));
  const parts = split(bytes, NODE, 'n', [5], [1, 4]);
  assert.equal(
    parts.taken(5).map((b) => new TextDecoder().decode(b)),
    ['x', 'y'],
  );
  assert.equal(parts.head, join8(len(1, 'a'), len(1, 'b'), len(4, 'Op')));
  assert.equal(parts.rest, join8(len(30, 'u'), int(31, 4)));
  assert.equal(parts.joined(5), new TextEncoder().encode('xy'));
  throwsKappa(() => parts.single(5), ModelError, /n: attribute appears 2 times/);
});

test('what is in one piece is not copied', () => {
  const bytes = join8(len(1, 'a'), len(4, 'Op'), len(5, 'x'));
  const parts = split(bytes, NODE, 'n', [5], [1, 4]);
  assert.is(parts.head.buffer, bytes.buffer);
  assert.is(parts.taken(5)[0]!.buffer, bytes.buffer);
  assert.is(parts.single(5)!.byteOffset, bytes.length - 1);
});

test('packed and single numbers join', () => {
  const parts = split(join8(fixed32(4, 1), len(4, join8(new Uint8Array(8))), fixed32(4, 2)), TENSOR, 't', [4], []);
  assert.equal(new Float32Array(parts.joined(4).slice().buffer), Float32Array.of(1, 0, 0, 2));
});

test('varints: ten bytes at most', () => {
  split(join8(varint(24), new Uint8Array(9).fill(0x80), Uint8Array.of(1)), { name: 'M', fields: {} }, 'm', [], []);
  throwsKappa(
    () =>
      split(join8(varint(24), new Uint8Array(10).fill(0x80), Uint8Array.of(1)), { name: 'M', fields: {} }, 'm', [], []),
    ModelError,
    /m: M\.field 3 is cut off or not a varint/,
  );
});

test('64-bit integers as doubles', () => {
  const long = (low: number, high: number, unsigned = false) => ({ low, high, unsigned });
  assert.is(toNumber(long(-1, -1)), -1);
  assert.is(toNumber(long(-1, 0x7fffffff)), 2 ** 63);
  assert.is(toNumber(long(0, -0x80000000)), -(2 ** 63));
  assert.is(toNumber(long(-1, -1, true)), 2 ** 64);
  assert.is(toNumber(long(5, 1)), 2 ** 32 + 5);
  assert.equal([toNumber(7), toNumber(undefined), toNumber(null)], [7, 0, 0]);
});

test('names and shapes as errors show them', () => {
  assert.is(show('a\nb\u001b[31m\u202e'), "'a?b?[31m?'");
  assert.is(show('x'.repeat(100)), `'${'x'.repeat(77)}...'`);
  assert.is(showDims([1, 'N\n', null]), '[1, N?, ?]');
  assert.is(showDims(new Array(20).fill(2)), `[${new Array(16).fill(2).join(', ')}, ...]`);
});

test.run();
