import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KernelError, LEAST_WORK, parts, threadsFor } from '../../src/wasm/calls.ts';

test('parts cover everything once, in order, in units, none too small', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5000 }),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 0, max: 900 }),
      fc.integer({ min: 1, max: 9 }),
      (total, unit, least, threads) => {
        const made = parts(total, unit, least, threads);
        assert.ok(made.length >= 1 && made.length <= threads);
        let at = 0;
        for (const { from, count } of made) {
          assert.is(from, at);
          assert.is(from % unit, 0);
          if (made.length > 1) assert.ok(count >= Math.max(1, least), `${count} of ${total}`);
          at += count;
        }
        assert.is(at, total);
      },
    ),
  );
});

test('parts are even, and as many as there are threads where there is work', () => {
  assert.equal(parts(96, 8, 8, 3), [
    { from: 0, count: 32 },
    { from: 32, count: 32 },
    { from: 64, count: 32 },
  ]);
  assert.equal(parts(20, 8, 8, 4), [
    { from: 0, count: 8 },
    { from: 8, count: 12 },
  ]);
  assert.equal(parts(15, 8, 8, 4), [{ from: 0, count: 15 }]);
  assert.equal(parts(0, 1, 1, 4), [{ from: 0, count: 0 }]);
  assert.equal(parts(10, 1, Number.POSITIVE_INFINITY, 4), [{ from: 0, count: 10 }]);
});

test('little work is for one thread', () => {
  assert.equal(
    [0, LEAST_WORK, 2 * LEAST_WORK, 100 * LEAST_WORK].map((work) => threadsFor(work, 4)),
    [1, 1, 2, 4],
  );
  assert.is(threadsFor(Number.POSITIVE_INFINITY, 3), 3);
});

test('a trap names its kernel', () => {
  const cause = new Error('unreachable');
  const error = new KernelError('gemm', 'unreachable', { cause });
  assert.is(error.message, 'kernel gemm: unreachable');
  assert.equal([error.name, error.kernel, error.cause], ['KernelError', 'gemm', cause]);
});

test.run();
