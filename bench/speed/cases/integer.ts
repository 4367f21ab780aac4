/** Integer products, and products with weights of 4 bits. */
import type { Tensor } from '../../../src/node.ts';
import type { BenchCase, Group } from '../lab.ts';
import { normDifference } from '../measure.ts';
import { floatTensor, int, oneNode } from '../models.ts';
import { integers, normals, random } from '../random.ts';
import { modelCase } from './model.ts';

const bytes = (dims: readonly number[], data: Uint8Array): Tensor => ({ dtype: 'uint8', dims, data });
const signed = (dims: readonly number[], data: Uint8Array): Tensor => ({
  dtype: 'int8',
  dims,
  data: new Int8Array(data.buffer),
});

/** Activations 0..255 with a zero point, constant weights -128..127 with one: exact on every engine. */
function matMulInteger(m: number, k: number, n: number): BenchCase {
  return modelCase({
    name: `int8 gemm ${m}x${k}x${n}`,
    make: () => {
      const next = random(m + k + n);
      return oneNode({
        op: 'MatMulInteger',
        inputs: [
          { tensor: bytes([m, k], integers(m * k, next, 256)) },
          { tensor: signed([k, n], integers(k * n, next, 256)), constant: true },
          { tensor: bytes([], Uint8Array.of(127)), constant: true },
          { tensor: signed([], Uint8Array.of(3)), constant: true },
        ],
        output: { dtype: 'int32', dims: [m, n] },
      });
    },
    tolerance: 0,
  });
}

const BLOCK = 32;

/**
 * Weights of 4 bits in blocks of 32, scales and no zero points. accuracy_level 4 lets an engine round activations to 8 bits,
 * blockwise: results may differ by that rounding, 2^-8 of each block's largest activation.
 */
function matMulNBits(m: number, k: number, n: number): BenchCase {
  return modelCase({
    name: `int4 block ${BLOCK} ${m}x${k}x${n}`,
    make: () => {
      const next = random(m + k + n);
      const blocks = k / BLOCK;
      const scales = normals(n * blocks, next).map((x) => 0.01 * (1 + Math.abs(x)));
      return oneNode({
        op: 'MatMulNBits',
        domain: 'com.microsoft',
        inputs: [
          { tensor: floatTensor([m, k], normals(m * k, next)) },
          { tensor: bytes([n, blocks, BLOCK / 2], integers((n * k) / 2, next, 256)), constant: true },
          { tensor: floatTensor([n * blocks], scales), constant: true },
        ],
        attributes: { K: int(k), N: int(n), bits: int(4), block_size: int(BLOCK), accuracy_level: int(4) },
        output: { dtype: 'float', dims: [m, n] },
      });
    },
    tolerance: 0.015,
    differ: normDifference,
  });
}

export const integer: Group = {
  name: 'integer',
  cases: [
    matMulInteger(512, 512, 512),
    matMulInteger(128, 768, 3072),
    matMulInteger(1, 768, 3072),
    ...[1, 16, 60, 240].map((m) => matMulNBits(m, 768, 3072)),
  ],
};
