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

/** A convolution [1, c, size, size] -> [1, m, size, size] of uint8 by constant int8 weights: to int32 sums, or to codes. */
function intConv(op: 'ConvInteger' | 'QLinearConv', c: number, m: number, kernel: number, size: number): BenchCase {
  return modelCase({
    name: `int8 conv ${op} ${kernel}x${kernel} ${c}->${m} at ${size}`,
    make: () => {
      const next = random(c + m + size);
      const constant = true;
      const x = bytes([1, c, size, size], integers(c * size * size, next, 256));
      const w = signed([m, c, kernel, kernel], integers(m * c * kernel * kernel, next, 256));
      const point = { tensor: bytes([], Uint8Array.of(127)), constant };
      const wZero = { tensor: signed([m], new Uint8Array(m)), constant };
      const scale = (values: number[], dims: number[] = []) => ({
        tensor: floatTensor(dims, Float32Array.from(values)),
        constant,
      });
      const rows = Array.from({ length: m }, () => 0.004 + 0.004 * next());
      const bias = Int32Array.from({ length: m }, () => Math.floor(1000 * (next() - 0.5)));
      const weight = { tensor: w, constant };
      const inputs =
        op === 'ConvInteger'
          ? [{ tensor: x }, weight, point, { tensor: signed([], Uint8Array.of(0)), constant }]
          : [
              ...[{ tensor: x }, scale([0.03]), point, weight, scale(rows, [m]), wZero, scale([2]), point],
              { tensor: { dtype: 'int32' as const, dims: [m], data: bias }, constant },
            ];
      const pad = (kernel - 1) / 2;
      return oneNode({
        op,
        inputs,
        attributes: { pads: { type: 'ints', value: [pad, pad, pad, pad] } },
        output: { dtype: op === 'ConvInteger' ? 'int32' : 'uint8', dims: [1, m, size, size] },
      });
    },
    // Of codes: one step in 255.
    tolerance: op === 'ConvInteger' ? 0 : 0.005,
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
    ...(['ConvInteger', 'QLinearConv'] as const).flatMap((op) => [
      intConv(op, 64, 64, 3, 56),
      intConv(op, 256, 256, 1, 14),
    ]),
    ...[1, 16, 60, 240].map((m) => matMulNBits(m, 768, 3072)),
  ],
};
