import type { Node } from '../onnx/model.ts';
import { type CodedMatrix, type Kept, packMatrix } from '../ops/packed.ts';
import { arrayOf, sizeOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { type Cut, cutOf, partOf, passedOn } from './cut.ts';
import type { Step } from './steps.ts';

/**
 * Constant weights that a model makes of codes: (codes - zero points) times scales, by DequantizeLinear, or by Cast, Sub and Mul as
 * the `dense` format writes them, then put in shape. Where only products read such a weight, as their right operand, it stays in
 * codes. How the codes themselves are made does not matter: they are what the model says they are.
 */

/** Weights of fewer elements are not worth it. */
const LEAST_ELEMENTS = 4096;

/** Operators that move elements and change none. */
const MOVES = new Set(['Reshape', 'Transpose', 'Slice', 'Identity', 'Squeeze', 'Unsqueeze', 'Flatten']);

/** A weight that is made of codes. */
export interface Coded {
  readonly name: string;
  /** True where it is the transpose of the product's operand. */
  readonly transposed: boolean;
  /** From codes, zero points and scales to the weight. */
  readonly steps: readonly Step[];
  readonly codes: string;
  readonly scales: string;
  readonly zeros: string | undefined;
  /** Where codes, scales and zero points are those of several weights, cut apart behind `steps`: which part is this one's. */
  readonly cut?: Cut | undefined;
}

/** Those among `names` that can stay in codes, as far as the graph tells. */
export function codedWeights(
  names: Iterable<string>,
  still: readonly Step[],
  moving: readonly Step[],
  outputs: ReadonlySet<string>,
): Coded[] {
  const makers = new Map<string, Step>();
  for (const step of still) for (const o of step.node.outputs) makers.set(o, step);
  const readers = new Map<string, Step[]>();
  for (const step of moving) for (const v of step.reads) readers.set(v, [...(readers.get(v) ?? []), step]);
  const found: Coded[] = [];
  for (const name of names) {
    if (outputs.has(name)) continue;
    const ways = (readers.get(name) ?? []).map((step) => asRight(step.node, name));
    const transposed = ways[0];
    if (transposed === undefined || ways.some((way) => way !== transposed)) continue;
    const coded = codedBy(name, makers);
    if (coded !== undefined) found.push({ name, transposed, ...coded });
  }
  return found;
}

/** Weights whose codes are made together, together. */
export function byCodes(coded: readonly Coded[]): Iterable<readonly Coded[]> {
  const groups = new Map<string, Coded[]>();
  for (const c of coded) groups.set(c.codes, [...(groups.get(c.codes) ?? []), c]);
  return groups.values();
}

/** Whether the node is a product with that value on its right and nowhere else, and then whether it is transposed there. */
function asRight(node: Node, name: string): boolean | undefined {
  if (node.domain !== '' || node.inputs[1] !== name || node.inputs.filter((v) => v === name).length > 1)
    return undefined;
  if (node.opType === 'MatMul') return false;
  return node.opType === 'Gemm' ? Number(node.attributes.get('transB')?.value ?? 0) !== 0 : undefined;
}

/** The steps behind a weight back to its codes. */
function codedBy(
  name: string,
  makers: ReadonlyMap<string, Step>,
): Pick<Coded, 'steps' | 'codes' | 'scales' | 'zeros' | 'cut'> | undefined {
  const maker = (v: string | undefined, opType?: string): Step | undefined => {
    const step = v === undefined ? undefined : makers.get(v);
    return step?.node.domain === '' && (opType === undefined || step.node.opType === opType) ? step : undefined;
  };
  const steps: Step[] = [];
  let last = maker(name);
  for (; last !== undefined && MOVES.has(last.node.opType); last = maker(last.node.inputs[0])) steps.unshift(last);
  let cut: Cut | undefined;
  if (last?.node.opType === 'Split') {
    const output = steps[0]?.node.inputs[0] ?? name;
    cut = cutOf(last.node, output);
    if (cut === undefined) return undefined;
    steps.unshift(passedOn(last.node.inputs[0]!, output));
    last = maker(last.node.inputs[0]);
  }
  if (last === undefined) return undefined;
  steps.unshift(last);
  const { opType, inputs } = last.node;
  let [codes, scales, zeros] = inputs;
  if (opType === 'Mul') {
    zeros = undefined;
    const sub = maker(codes, 'Sub');
    if (sub !== undefined) {
      steps.unshift(sub);
      [codes, zeros] = sub.node.inputs;
    }
    const cast = maker(codes, 'Cast');
    if (cast !== undefined) {
      steps.unshift(cast);
      codes = cast.node.inputs[0];
    }
  } else if (opType !== 'DequantizeLinear') return undefined;
  if (zeros === '') zeros = undefined;
  if (!codes || !scales || new Set([codes, scales, zeros]).size < 3) return undefined;
  // What the steps make is theirs alone to read: a value of theirs among the operands would be replaced too.
  const made = new Set(steps.flatMap((s) => s.node.outputs));
  return [codes, scales, zeros].some((v) => v !== undefined && made.has(v))
    ? undefined
    : { steps, codes, scales, zeros, cut };
}

/** A weight packed. */
export interface Packed {
  readonly dims: readonly number[];
  readonly kept: Kept;
}

/**
 * The weight in codes; undefined where it is not what the graph looked like, or too small.
 * @param value of an operand
 * @param run the weight that the coded's steps make of operands that take the place of the model's; it is read and let go at once
 */
export function packWeight(
  c: Coded,
  value: (name: string) => Tensor,
  run: <T>(operands: ReadonlyMap<string, Tensor>, read: (weight: Tensor) => T) => T,
  wasm: Wasm,
): Packed | undefined {
  const own = partOf(c.cut, value(c.codes).dims, value);
  if (own === undefined) return undefined;
  const [codes, scales] = [own(value(c.codes)), own(value(c.scales))];
  const zeros = c.zeros === undefined ? undefined : own(value(c.zeros));
  if (scales.dtype !== 'float' || codes.data.length < LEAST_ELEMENTS) return undefined;
  if ([codes, zeros].some((t) => t?.data instanceof BigInt64Array || t?.data instanceof BigUint64Array))
    return undefined;
  const through = (q: Tensor, s: Tensor, z: Tensor | undefined) => {
    const operands = new Map([
      [c.codes, q],
      [c.scales, s],
    ]);
    if (c.zeros !== undefined) operands.set(c.zeros, z!);
    return run(operands, (w) =>
      w.dtype === 'float' && w.dims.length === 2 ? { dims: w.dims, data: (w.data as Float32Array).slice() } : undefined,
    );
  };
  const nothing = zeros && full(zeros, 0);
  const one = full(scales, 1);
  const q = through(codes, one, nothing);
  if (q === undefined || q.data.length < LEAST_ELEMENTS) return undefined;
  const s = through(full(codes, 1), scales, nothing)!;
  const z = zeros && through(full(codes, 0), one, zeros)!.data.map((v) => -v);
  const [rows, cols] = q.dims as [number, number];
  const [k, n] = c.transposed ? [cols, rows] : [rows, cols];
  const m: CodedMatrix = {
    k,
    n,
    steps: c.transposed ? [1, k] : [n, 1],
    codes: q.data,
    scales: s.data,
    zeros: z,
  };
  const kept: Kept | undefined = packMatrix(wasm, m);
  return kept && { dims: q.dims, kept };
}

/** A tensor of that type and shape, the same everywhere; not of 64-bit integers. */
function full({ dtype, dims }: Tensor, v: number): Tensor {
  const type = arrayOf(dtype) as Float32ArrayConstructor;
  return { dtype, dims, data: new type(sizeOf(dims)).fill(v) };
}

/** Of the steps those that the values need, in order. */
export function neededSteps(steps: readonly Step[], names: Iterable<string>): Step[] {
  const needed = new Set(names);
  const chosen: Step[] = [];
  for (let i = steps.length - 1; i >= 0; i--) {
    const step = steps[i]!;
    if (!step.node.outputs.some((o) => needed.has(o))) continue;
    chosen.push(step);
    for (const v of step.reads) needed.add(v);
  }
  return chosen.reverse();
}
