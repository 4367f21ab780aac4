import {
  count,
  inputCount,
  type OperatorCurvature,
  type OperatorFacts,
  registerCurvature,
  repeats,
  single,
  unbounded,
} from './registry.ts';

/** Operators that move, select, add or average elements: linear, or of maxima. */

const LINEAR = 'linear';
const KINK = 'a selection of inputs: no second derivative where it changes, where the Lipschitz bound holds';

/** Elements keep their values, or are dropped: a coordinate projection. */
for (const op of [
  'Reshape',
  'Transpose',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Slice',
  'Split',
  'Cast',
  'Dropout',
  'DepthToSpace',
  'SpaceToDepth',
  'Trilu',
]) {
  registerCurvature(op, () => single(1, 0, true, LINEAR));
}

/** Padding with a constant places elements; the other modes repeat some of them, how many depends on the pads. */
registerCurvature('Pad', (facts) => {
  const mode = facts.attributes?.mode ?? 'constant';
  return mode === 'constant' ? single(1, 0, true, LINEAR) : unbounded(`mode ${mode} repeats elements`, 3);
});

/** Several inputs: `alone` bounds the map in each input by itself, `together` in all of them, before broadcasting. */
function several(
  facts: OperatorFacts,
  alone: number,
  together: (inputs: number) => number,
  note: string,
): OperatorCurvature {
  const n = inputCount(facts, 1);
  const perInput = Array.from({ length: n }, (_, i) =>
    facts.constants?.[i] ? 0 : alone * Math.sqrt(repeats(facts, i)),
  );
  const free = perInput.filter((l) => l > 0);
  const most = Math.max(0, ...free) / (alone || 1);
  return { lipschitz: together(free.length) * most, perInput, secondDerivative: 0, kappa: 0, exact: most <= 1, note };
}

for (const op of ['Add', 'Sub', 'Sum'])
  registerCurvature(op, (facts) => several(facts, 1, (n) => Math.sqrt(n), LINEAR));
registerCurvature('Mean', (facts) => {
  const n = inputCount(facts, 1);
  return several(facts, 1 / n, (free) => Math.sqrt(free) / n, LINEAR);
});
for (const op of ['Max', 'Min', 'Where'])
  registerCurvature(op, (facts) => several(facts, 1, (n) => Math.min(n, 1), KINK));
registerCurvature('Concat', (facts) => {
  const n = inputCount(facts, 1);
  const perInput = Array.from({ length: n }, (_, i) => (facts.constants?.[i] ? 0 : 1));
  return {
    lipschitz: 1,
    perInput,
    secondDerivative: 0,
    kappa: 0,
    exact: true,
    note: 'linear: an isometry of the inputs together',
  };
});

/** Copies: every element appears that many times. */
for (const op of ['Expand', 'Tile']) {
  registerCurvature(op, (facts) => {
    const dims = facts.dims?.[0];
    if (!dims || !facts.outputDims) return unbounded('the shapes are not known', 2);
    const l = Math.sqrt(Math.max(1, count(facts.outputDims) / Math.max(1, count(dims))));
    return { ...single(l, 0, true, 'linear: sqrt of the number of copies'), perInput: [l, 0] };
  });
}

/** Of an activation by constant indices: sqrt of the most often taken index. A table indexed by data is no map of reals. */
registerCurvature('Gather', (facts) => {
  const indices = facts.constants?.[1];
  if (!indices) return unbounded('indices are no constant', 2);
  const times = new Map<number, number>();
  for (let i = 0; i < indices.length; i++) times.set(indices[i]!, (times.get(indices[i]!) ?? 0) + 1);
  const l = Math.sqrt(Math.max(1, ...times.values()));
  return { ...single(l, 0, true, 'linear: sqrt of the most often taken index'), perInput: [l, 0] };
});

/** Elements reduced into one: input over output elements. */
function reduced(facts: OperatorFacts): number | undefined {
  const dims = facts.dims?.[0];
  return dims && facts.outputDims ? count(dims) / Math.max(1, count(facts.outputDims)) : undefined;
}

function reduction(op: string, lipschitz: (n: number) => number, note: string): void {
  registerCurvature(op, (facts) => {
    const n = reduced(facts);
    return n === undefined ? unbounded('the shapes are not known') : single(lipschitz(n), 0, true, note);
  });
}

reduction('ReduceSum', (n) => Math.sqrt(n), LINEAR);
reduction('ReduceMean', (n) => 1 / Math.sqrt(n), LINEAR);
reduction('GlobalAveragePool', (n) => 1 / Math.sqrt(n), LINEAR);
for (const op of ['ReduceMax', 'ReduceMin', 'GlobalMaxPool']) registerCurvature(op, () => single(1, 0, true, KINK));
