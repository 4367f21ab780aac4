import type { Model } from '../../src/onnx/model.ts';
import { bitsOf, dtypeOf, sizeOf } from '../../src/tensor.ts';

/**
 * Bytes of the initializers that a file in format `dense` (scales in fp16) or `qdq` has beside its original's: zero points are what
 * is subtracted, or a DequantizeLinear's third input; scales are of fp16, or its second input; codes all else. Shapes, other whole
 * numbers of 64 bits and floats do not count, nor does what shifts and tables are made of.
 */
export function storedBytes(written: Model, original: Model): { codes: number; scales: number; zeros: number } {
  const before = new Set(original.graph.initializers.map((t) => t.name));
  const { nodes } = written.graph;
  const makers = new Map(nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  const source = (v: string): string => {
    const maker = makers.get(v);
    return maker?.opType === 'Cast' || maker?.opType === 'Split' ? source(maker.inputs[0]!) : v;
  };
  const scales = new Set<string>();
  const zeros = new Set<string>();
  const others = new Set<string>();
  for (const { opType, inputs, outputs } of nodes) {
    if (opType === 'Sub' && makers.get(inputs[1]!)?.opType !== 'Mul') zeros.add(source(inputs[1]!));
    // Amounts of shifts and moduli, the numbers 0..255, and what their bits are worth.
    if (opType === 'BitShift' || opType === 'Mod') others.add(inputs[1]!);
    if (opType === 'MatMul' && makers.has(inputs[0]!) && source(inputs[1]!) !== inputs[1])
      others.add(source(inputs[1]!));
    if (opType !== 'DequantizeLinear' || outputs.length === 0) continue;
    scales.add(inputs[1]!);
    zeros.add(inputs[2] ?? '');
  }
  const sums = { codes: 0, scales: 0, zeros: 0 };
  for (const t of written.graph.initializers) {
    const dtype = dtypeOf(t.dataType)!;
    const [rows, cols] = t.dims;
    const ramp = dtype === 'uint8' && rows === 256 && cols === 1;
    const table = rows === 256 && cols === 2 && nodes.some((n) => n.opType === 'Gather' && n.inputs[0] === t.name);
    if (before.has(t.name) || dtype === 'int64' || others.has(t.name) || ramp || table) continue;
    const bytes = Math.ceil((sizeOf(t.dims) * bitsOf(dtype)) / 8);
    if (dtype === 'float16' || scales.has(t.name)) sums.scales += bytes;
    else if (dtype === 'float') continue;
    else if (zeros.has(t.name)) sums.zeros += bytes;
    else sums.codes += bytes;
  }
  return sums;
}
