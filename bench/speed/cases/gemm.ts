/** f32 products: MatMul with a constant right operand, as layers have it, and with both fed. */
import { type BenchCase, type Group, sideOf } from '../lab.ts';
import { difference } from '../measure.ts';
import { floatTensor, oneNode } from '../models.ts';
import { TFJS, tfjsProduct } from '../peers/tfjs.ts';
import { normals, random } from '../random.ts';
import { modelCase } from './model.ts';

function gemmCase(m: number, k: number, n: number, fed = false): BenchCase {
  const make = () => {
    const next = random(m + k + n);
    const a = floatTensor([m, k], normals(m * k, next));
    const b = floatTensor([k, n], normals(k * n, next));
    const output = { dtype: 'float', dims: [m, n] } as const;
    return { a, b, ...oneNode({ op: 'MatMul', inputs: [{ tensor: a }, { tensor: b, constant: !fed }], output }) };
  };
  return modelCase({
    name: `gemm ${m}x${k}x${n}${fed ? ', both operands fed' : ''}`,
    make,
    tolerance: 1e-5,
    others: {
      peers: [TFJS],
      sides: async (_, ours) => {
        const { a, b } = make();
        let close = () => {};
        const side = await sideOf(TFJS, 1e-5, async () => {
          const product = await tfjsProduct(a, b);
          close = product.close;
          return { work: product.call, difference: difference(ours.data as Float32Array, product.call()) };
        });
        return { sides: [side], close: () => close() };
      },
    },
  });
}

export const gemm: Group = {
  name: 'gemm',
  cases: [
    gemmCase(256, 256, 256),
    gemmCase(512, 512, 512),
    gemmCase(1024, 1024, 1024),
    gemmCase(512, 512, 512, true),
    gemmCase(16, 768, 3072),
    gemmCase(1, 768, 3072),
  ],
};
