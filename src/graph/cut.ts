import { makeNode } from '../onnx/index.ts';
import type { Node } from '../onnx/model.ts';
import { arrayOf, type Tensor } from '../tensor.ts';
import type { Step } from './steps.ts';

/** Which part of a Split's input one of its outputs is. */
export interface Cut {
  readonly axis: number;
  /** The parts' sizes, or the value that holds them. */
  readonly sizes: readonly number[] | string;
  readonly index: number;
}

/** What a Split's output is of its input; undefined where all parts are of one size that nobody names. */
export function cutOf(split: Node, output: string): Cut | undefined {
  const { attributes, inputs, outputs } = split;
  const given = attributes.get('split');
  const sizes = given?.type === 'ints' ? given.value : inputs[1] || undefined;
  if (sizes === undefined) return undefined;
  return { axis: Number(attributes.get('axis')?.value ?? 0), sizes, index: outputs.indexOf(output) };
}

/** A step that gives a value another name. */
export function passedOn(from: string, to: string): Step {
  return { node: makeNode('Identity', [from], [to]), run: ([x], rt) => [rt.view(x!, x!.dims)], reads: [from] };
}

/**
 * What takes the part out of tensors that are broadcast to `dims`; undefined where the sizes are not what they should be.
 * @param cut undefined for all of them
 */
export function partOf(
  cut: Cut | undefined,
  dims: readonly number[],
  value: (name: string) => Tensor,
): ((t: Tensor) => Tensor) | undefined {
  if (cut === undefined) return (t) => t;
  const axis = cut.axis < 0 ? cut.axis + dims.length : cut.axis;
  const sizes = typeof cut.sizes === 'string' ? [...value(cut.sizes).data].map(Number) : cut.sizes;
  const from = sizes.slice(0, cut.index).reduce((a, b) => a + b, 0);
  const count = sizes[cut.index];
  const whole = dims[axis];
  if (count === undefined || whole === undefined || from + count > whole) return undefined;
  return (t) => {
    const at = axis - dims.length + t.dims.length;
    return at < 0 || t.dims[at] !== whole ? t : sliced(t, at, from, count);
  };
}

function sliced({ dtype, dims, data }: Tensor, axis: number, from: number, count: number): Tensor {
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = dims.slice(0, axis).reduce((a, b) => a * b, 1);
  const step = dims[axis]! * inner;
  const out = new (arrayOf(dtype) as Uint8ArrayConstructor)(outer * count * inner);
  const source = data as Uint8Array;
  for (let o = 0; o < outer; o++) {
    const start = o * step + from * inner;
    out.set(source.subarray(start, start + count * inner), o * count * inner);
  }
  return { dtype, dims: dims.map((d, i) => (i === axis ? count : d)), data: out };
}
