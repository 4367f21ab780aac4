import type { Model } from '../../src/onnx/model.ts';
import { bitsOf, dtypeOf, sizeOf } from '../../src/tensor.ts';

/**
 * Bytes of the initializers that a file in format `dense` (scales in fp16) or `qdq` has beside its original's: zero points are what
 * is subtracted, or a DequantizeLinear's third input; scales are of fp16, or its second input; codes all else. Whole numbers of 64
 * bits and other floats, shapes and constants of the tables, do not count nor does what tables are made of.
 */
export function storedBytes(written: Model, original: Model): { codes: number; scales: number; zeros: number } {
  const before = new Set(original.graph.initializers.map((t) => t.name));
  const { nodes } = written.graph;
  const casts = new Map(nodes.filter((n) => n.opType === 'Cast').map((n) => [n.outputs[0]!, n.inputs[0]!]));
  const source = (v: string | undefined) => casts.get(v ?? '') ?? v ?? '';
  const scales = new Set<string>();
  const zeros = new Set<string>();
  for (const { opType, inputs } of nodes) {
    if (opType === 'Sub') zeros.add(source(inputs[1]));
    if (opType !== 'DequantizeLinear') continue;
    scales.add(inputs[1]!);
    zeros.add(inputs[2] ?? '');
  }
  const sums = { codes: 0, scales: 0, zeros: 0 };
  for (const t of written.graph.initializers) {
    const dtype = dtypeOf(t.dataType)!;
    if (before.has(t.name) || dtype === 'int64' || t.name.startsWith('kq_')) continue;
    const bytes = Math.ceil((sizeOf(t.dims) * bitsOf(dtype)) / 8);
    if (dtype === 'float16' || scales.has(t.name)) sums.scales += bytes;
    else if (dtype === 'float') continue;
    else if (zeros.has(t.name)) sums.zeros += bytes;
    else sums.codes += bytes;
  }
  return sums;
}
