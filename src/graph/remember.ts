import type { Run } from '../ops/op.ts';
import type { Tensor } from '../tensor.ts';
import { WasmTensor } from './buffer.ts';
import type { Step } from './steps.ts';

/** Operators whose results follow from shapes, or from integers and nothing else: what exporters compute shapes with. */
const ROOTS = new Set(['Shape', 'Size']);
const PURE = new Set([
  ...['Gather', 'Unsqueeze', 'Squeeze', 'Concat', 'Slice', 'Reshape', 'Identity', 'Cast', 'Transpose', 'Flatten'],
  ...['Add', 'Sub', 'Mul', 'Div', 'Mod', 'Min', 'Max', 'Neg', 'Abs', 'Pow', 'Floor', 'Ceil', 'Range', 'ReduceProd'],
  ...['Equal', 'Greater', 'Less', 'And', 'Or', 'Not', 'Where', 'ConstantOfShape', 'Expand', 'ScatterND'],
]);

/** Results of more elements than this are computed anew. */
const MOST_ELEMENTS = 256;

/**
 * The steps, those that compute with shapes and constants alone made to return what they did in the run before where their
 * inputs are the same again.
 * @param constants values that no run changes without making a new tensor of them
 */
export function remembering(steps: readonly Step[], constants: ReadonlySet<string>): Step[] {
  const settled = new Set(constants);
  return steps.map((step) => {
    const { domain, opType, outputs } = step.node;
    if (domain !== '' || outputs.length !== 1) return step;
    const root = ROOTS.has(opType);
    if (!root && !(PURE.has(opType) && step.reads.every((v) => settled.has(v)))) return step;
    settled.add(outputs[0]!);
    return { ...step, run: root ? byShape(step.run) : bySame(step.run) };
  });
}

/** For a run that looks at the shape of its one input. */
function byShape(run: Run): Run {
  let dims: readonly number[] | undefined;
  let last: readonly Tensor[] = [];
  return (inputs, rt) => {
    const now = inputs[0]?.dims;
    if (now === undefined || dims?.length !== now.length || !now.every((d, i) => d === dims![i])) {
      last = run(inputs, rt);
      dims = now && [...now];
    }
    return last;
  };
}

/** For a run whose inputs are immutable: the same tensors mean the same elements. */
function bySame(run: Run): Run {
  let from: readonly (Tensor | undefined)[] | undefined;
  let last: readonly Tensor[] = [];
  return (inputs, rt) => {
    if (from?.length === inputs.length && inputs.every((t, i) => t === from![i])) return last;
    const made = run(inputs, rt);
    const keep = made.every((t) => !(t instanceof WasmTensor) && t.data.length <= MOST_ELEMENTS);
    [from, last] = keep ? [[...inputs], made] : [undefined, []];
    return made;
  };
}
