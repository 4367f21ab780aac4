import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Fourier } from '../../src/ops/fourier.ts';
import { random } from '../helpers.ts';

/** The sum as it is written. */
function direct(re: Float64Array, im: Float64Array): [Float64Array, Float64Array] {
  const n = re.length;
  const [a, b] = [new Float64Array(n), new Float64Array(n)];
  for (let k = 0; k < n; k++)
    for (let t = 0; t < n; t++) {
      const angle = (-2 * Math.PI * ((k * t) % n)) / n;
      a[k]! += re[t]! * Math.cos(angle) - im[t]! * Math.sin(angle);
      b[k]! += re[t]! * Math.sin(angle) + im[t]! * Math.cos(angle);
    }
  return [a, b];
}

function near(found: Float64Array, expected: Float64Array, what: string, tolerance = 1e-11): void {
  for (const [i, v] of expected.entries())
    assert.ok(Math.abs(found[i]! - v) <= tolerance, `${what}: element ${i} is ${found[i]}, expected ${v}`);
}

test('every length against the sum, and back again', () => {
  const next = random(11);
  for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 31, 32, 33, 100, 127, 128, 255, 400]) {
    const re = Float64Array.from({ length: n }, () => next() - 0.5);
    const im = Float64Array.from({ length: n }, () => next() - 0.5);
    const fourier = new Fourier(n);
    const [a, b] = [re.slice(), im.slice()];
    fourier.forward(a, b);
    const [wantRe, wantIm] = direct(re, im);
    near(a, wantRe, `real part, n = ${n}`);
    near(b, wantIm, `imaginary part, n = ${n}`);
    fourier.inverse(a, b);
    near(a, re, `inverse real part, n = ${n}`, 1e-13);
    near(b, im, `inverse imaginary part, n = ${n}`, 1e-13);
  }
});

test('long transforms of any length: one tone is one bin', () => {
  for (const n of [2 ** 16, 65537, 100000]) {
    const [re, im] = [new Float64Array(n), new Float64Array(n)];
    for (let t = 0; t < n; t++) {
      re[t] = Math.cos((2 * Math.PI * ((777 * t) % n)) / n);
      im[t] = Math.sin((2 * Math.PI * ((777 * t) % n)) / n);
    }
    new Fourier(n).forward(re, im);
    assert.ok(Math.abs(re[777]! - n) < 1e-6 * n);
    re[777] = 0;
    assert.ok(re.every((v) => Math.abs(v) < 1e-6) && im.every((v) => Math.abs(v) < 1e-6), `n = ${n}`);
  }
});

test.run();
