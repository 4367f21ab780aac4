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

/** Whether what the step makes follows from its inputs alone, and these are all among `fixed`. */
export function isFixed({ node, reads }: Step, fixed: ReadonlySet<string>): boolean {
  const { domain, opType, outputs } = node;
  return domain === '' && outputs.length === 1 && PURE.has(opType) && reads.every((v) => fixed.has(v));
}

/**
 * The steps, those that compute with shapes and constants alone made to return what they did in the run before where their
 * inputs are the same again.
 * @param constants values that no run changes without making a new tensor of them
 * @param hold keeps a tensor for as long as the steps live: what follows from constants alone is then made once, whatever its size
 */
export function remembering(
  steps: readonly Step[],
  constants: ReadonlySet<string>,
  hold?: (t: Tensor) => void,
): Step[] {
  const fixed = new Set(constants);
  const settled = new Set(constants);
  return steps.map((step) => {
    const { domain, opType, outputs } = step.node;
    if (hold !== undefined && isFixed(step, fixed)) {
      fixed.add(outputs[0]!);
      settled.add(outputs[0]!);
      return { ...step, run: once(step.run, hold) };
    }
    const root = domain === '' && outputs.length === 1 && ROOTS.has(opType);
    if (!root && !isFixed(step, settled)) return step;
    settled.add(outputs[0]!);
    return { ...step, run: root ? byShape(step.run) : bySame(step.run) };
  });
}

/** For a run whose inputs are constants: its first result, unless they were replaced. */
function once(run: Run, hold: (t: Tensor) => void): Run {
  let from: readonly (Tensor | undefined)[] | undefined;
  let first: readonly Tensor[] = [];
  return (inputs, rt) => {
    if (from !== undefined && inputs.every((t, i) => t === from![i])) return first;
    const made = run(inputs, rt);
    if (from !== undefined) return made;
    made.forEach(hold);
    [from, first] = [[...inputs], made];
    return made;
  };
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
