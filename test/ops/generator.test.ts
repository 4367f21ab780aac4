import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Generator } from '../../src/ops/generator.ts';

// numpy.random.RandomState(seed).rand and .randn print these.
const UNIFORM: Record<number, number[]> = {
  0: [0.5488135, 0.71518937, 0.60276338, 0.54488318],
  42: [0.37454012, 0.95071431, 0.73199394, 0.59865848],
};
const NORMAL: Record<number, number[]> = {
  0: [1.76405235, 0.40015721, 0.97873798, 2.2408932],
  42: [0.49671415, -0.1382643, 0.64768854, 1.52302986],
};

function printed(v: number): number {
  return Number(v.toFixed(8));
}

test('the sequences of NumPy', () => {
  for (const seed of [0, 42]) {
    const uniform = new Generator(seed);
    const normal = new Generator(seed);
    assert.equal(
      UNIFORM[seed]!.map(() => printed(uniform.uniform())),
      UNIFORM[seed],
    );
    assert.equal(
      NORMAL[seed]!.map(() => printed(normal.normal())),
      NORMAL[seed],
    );
  }
});

test('beyond one block of the state, and the largest seed', () => {
  const g = new Generator(2 ** 32 - 1);
  let [sum, squares] = [0, 0];
  const n = 20000;
  for (let i = 0; i < n; i++) {
    const u = g.uniform();
    assert.ok(u >= 0 && u < 1);
    sum += u;
    squares += u * u;
  }
  // Six standard deviations.
  assert.ok(Math.abs(sum / n - 1 / 2) < 6 * Math.sqrt(1 / 12 / n));
  assert.ok(Math.abs(squares / n - 1 / 3) < 6 * Math.sqrt(4 / 45 / n));
});

test.run();
