import './operators/unary.ts';
import './operators/range.ts';
import './operators/normalise.ts';
import './operators/structure.ts';
import './operators/pool.ts';

export { documentSoftmaxEstimate, SOFTMAX_SECOND_DERIVATIVE } from './operators/normalise.ts';
export { windowsPerElement } from './windows.ts';
export type { CurvatureFunction, OperatorCurvature, OperatorFacts, Range } from './operators/registry.ts';
export { composeCurvature, curvatureOf, curvatureOperators, registerCurvature } from './operators/registry.ts';
