import { attribute, listAttribute, type OperatorFacts, registerCurvature, single, unbounded } from './registry.ts';
import { windowsPerElement } from '../windows.ts';

interface Axis {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
}

function axesOf(facts: OperatorFacts): Axis[] | undefined {
  const kernel = listAttribute(facts, 'kernel_shape');
  if (!kernel) return undefined;
  const strides = listAttribute(facts, 'strides');
  const dilations = listAttribute(facts, 'dilations');
  return kernel.map((k, i) => ({ kernel: k, stride: strides?.[i] ?? 1, dilation: dilations?.[i] ?? 1 }));
}

/**
 * |max x - max y| <= max |x - y| over a window, so the squares add up to at most the number of windows an element lies in
 * times |x - y|^2 (docs/theory.md, "Pooling").
 */
registerCurvature('MaxPool', (facts) => {
  const axes = axesOf(facts);
  if (!axes) return unbounded('kernel_shape is missing');
  const windows = axes.reduce((n, a) => n * windowsPerElement(a.kernel, a.stride, a.dilation), 1);
  return single(
    Math.sqrt(windows),
    0,
    windows === 1,
    'sqrt of the most windows an element lies in; no second derivative where the maximum moves',
  );
});

/**
 * A non-negative matrix A, the product of one for each axis: |A|^2 <= largest row sum times largest column sum (Schur's test).
 * Rows sum to 1 at most, columns to the windows of an element over the window's size. Where padding is not counted, windows at
 * the border divide by what they hold, and the column sums are taken from the input's size.
 */
registerCurvature('AveragePool', (facts) => {
  const axes = axesOf(facts);
  if (!axes) return unbounded('kernel_shape is missing');
  const pads = listAttribute(facts, 'pads') ?? axes.flatMap(() => [0, 0]);
  const autoPad = facts.attributes?.auto_pad;
  const padded =
    pads.some((p) => p > 0) ||
    (typeof autoPad === 'string' && autoPad.startsWith('SAME')) ||
    attribute(facts, 'ceil_mode', 0) !== 0;
  let square = 1;
  for (const [i, axis] of axes.entries()) {
    if (padded && attribute(facts, 'count_include_pad', 0) === 0) {
      // The least a window may hold is 1 element; with the sizes known it is counted.
      const size = facts.dims?.[0]?.at(i - axes.length);
      const plain = typeof autoPad !== 'string' || !autoPad.startsWith('SAME');
      square *=
        size !== undefined && plain && attribute(facts, 'ceil_mode', 0) === 0
          ? borderColumnSum(axis, size, pads[i]!, pads[i + axes.length]!)
          : windowsPerElement(axis.kernel, axis.stride, axis.dilation);
    } else square *= windowsPerElement(axis.kernel, axis.stride, axis.dilation) / axis.kernel;
  }
  return single(Math.sqrt(square), 0, false, "linear: Schur's test");
});

/** Largest column sum of averaging along one axis where padding is not counted. */
function borderColumnSum({ kernel, stride, dilation }: Axis, size: number, before: number, after: number): number {
  const outputs = Math.floor((size + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
  const sums = new Float64Array(size);
  for (let o = 0; o < outputs; o++) {
    const inside: number[] = [];
    for (let k = 0; k < kernel; k++) {
      const at = o * stride + k * dilation - before;
      if (at >= 0 && at < size) inside.push(at);
    }
    for (const at of inside) sums[at]! += 1 / inside.length;
  }
  return sums.reduce((a, b) => Math.max(a, b), 0);
}
