import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { factorsOf } from '../../../src/grid/rounding/factor.ts';
import { loadWasm } from '../../helpers.ts';
import { inputs } from './problems.ts';

const wasm = await loadWasm();

test('the factor is that of H + damp I with columns by descending diagonal', () => {
  for (const cols of [1, 2, 7, 30]) {
    const { gram } = inputs(cols, 1, 3 * cols, cols);
    const { order, u, d, damp } = factorsOf(wasm, { gram, groups: 1 }, cols)[0]!;
    const diagonal = Array.from(order, (c) => gram[c * (cols + 1)]!);
    assert.equal(
      diagonal,
      [...diagonal].sort((a, b) => b - a),
    );
    const mean = diagonal.reduce((a, b) => a + b, 0) / cols;
    assert.ok(Math.abs(damp - 0.01 * mean) <= 1e-9 * mean);
    for (let i = 0; i < cols; i++)
      for (let j = 0; j < cols; j++) {
        let sum = 0;
        for (let c = 0; c < cols; c++) sum += u[i * cols + c]! * d[c]! * u[j * cols + c]!;
        const expected = gram[order[i]! * cols + order[j]!]! + (i === j ? damp : 0);
        assert.ok(
          Math.abs(sum - expected) <= 1e-5 * diagonal[0]!,
          `${cols} columns, [${i}, ${j}]: ${sum}, ${expected}`,
        );
      }
  }
});

test('damping grows until the factor exists, and there is none where it does not help', () => {
  const damped = (gram: number[]) =>
    factorsOf(wasm, { gram: Float32Array.from(gram), groups: 1 }, Math.sqrt(gram.length))[0];
  assert.is(damped([1, 1, 1, 1])!.damp, 0.01);
  assert.is(damped([1, 1.05, 1.05, 1])!.damp, 0.1);
  assert.is(damped([1, 1.5, 1.5, 1])!.damp, 1);
  assert.is(damped([1, 3, 3, 1]), undefined);
  assert.is(damped([0, 0, 0, 0]), undefined);
  assert.is(damped([1, 0, 0, -2]), undefined);
  assert.is(damped([Number.NaN, 0, 0, 1]), undefined);
  assert.is(damped([1, Number.NaN, Number.NaN, 1]), undefined);
});

test('factors of one Gram matrix are made once, one for each group', () => {
  const { gram } = inputs(5, 3, 20, 4);
  const made = factorsOf(wasm, { gram, groups: 3 }, 5);
  assert.is(made.length, 3);
  assert.is(factorsOf(wasm, { gram, groups: 3 }, 5), made);
  assert.is.not(factorsOf(wasm, { gram: gram.slice(), groups: 3 }, 5), made);
});

test.run();
