import type { Node } from '../../onnx/model.ts';
import { DATA_TYPES } from '../../tensor.ts';
import type { Builder } from '../builder.ts';
import { MICROSOFT } from './domain.ts';
import { biasOf } from './operators.ts';

/** Values that say what a left side is in integers. */
export interface Codes {
  readonly codes: string;
  readonly scale: string;
  readonly zero: string;
}

/** Which operators products of integers are written with: those of ONNX alone, or com.microsoft's MatMulIntegerToFloat, which does all at once. */
export type Products = 'standard' | 'microsoft';

/**
 * A MatMul or Gemm by a constant weight as a product of integers: MatMulInteger, times the scales of both sides, plus the bias,
 * which stays in float. Runtimes make one operator of these and pack the weight once: of a Gemm between DequantizeLinear nodes they
 * pack it in every run, and of a MatMul there they make such a Gemm where an Add follows it. Exact up to one rounding of
 * each product: sums are whole numbers. (ONNX "MatMulInteger", opset 10.)
 * @param decode the DequantizeLinear that made the weight
 */
export function addProduct(
  b: Builder,
  node: Node,
  decode: Node,
  { codes, scale, zero }: Codes,
  products: Products = 'standard',
): void {
  const [stored, rows] = decode.inputs as [string, string];
  const turned = node.opType === 'Gemm' && node.attributes.get('transB')?.value === 1;
  const weight = turned ? b.node('Transpose', [stored], { perm: { type: 'ints', value: [1, 0] } }) : stored;
  const bias = biasOf(node);
  const output = node.outputs[0]!;
  if (products === 'microsoft') {
    const inputs = [codes, weight, scale, rows, zero, ...(bias === '' ? [] : ['', bias])];
    b.node('MatMulIntegerToFloat', inputs, {}, output, MICROSOFT);
    return;
  }
  const sums = b.cast(b.node('MatMulInteger', [codes, weight, zero]), DATA_TYPES.float);
  const product = b.node('Mul', [sums, b.node('Mul', [scale, rows])], {}, bias === '' ? output : undefined);
  if (bias !== '') b.node('Add', [product, bias], {}, output);
}
