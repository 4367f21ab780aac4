import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { halfBits } from '../../../src/data/images/half.ts';

/** The value of a float16's bits, by its definition. */
function numberOf(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}

test('every float16 is its own nearest, and numbers between two go to the nearer, halves to the even one', () => {
  for (let bits = 0; bits < 0x7c00; bits++) {
    assert.is(halfBits(numberOf(bits)), bits);
    assert.is(halfBits(numberOf(bits | 0x8000)), bits | 0x8000);
    if (bits === 0x7bff) continue;
    const [low, high] = [numberOf(bits), numberOf(bits + 1)];
    assert.is(halfBits(low + (high - low) * 0.4999), bits);
    assert.is(halfBits(low + (high - low) * 0.5001), bits + 1);
    assert.is(halfBits((low + high) / 2), bits % 2 === 0 ? bits : bits + 1);
  }
  assert.is(halfBits(65519), 0x7bff);
  assert.is(halfBits(65520), 0x7c00);
  assert.is(halfBits(1e30), 0x7c00);
  assert.is(halfBits(Number.NEGATIVE_INFINITY), 0xfc00);
  assert.is(halfBits(Number.NaN), 0x7e00);
});

test.run();
