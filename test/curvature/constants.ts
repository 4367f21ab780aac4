import * as assert from 'uvu/assert';
import { curvatureOf, type OperatorCurvature, type OperatorFacts } from '../../src/curvature/operators.ts';

/** The constants of an operator that is registered. */
export const of = (op: string, facts?: OperatorFacts): OperatorCurvature => {
  const found = curvatureOf(op, facts);
  assert.ok(found, op);
  assert.is(found!.kappa, found!.secondDerivative / 2);
  return found!;
};
/** Asserts equality within an absolute tolerance. */
export const near = (a: number, b: number, tolerance: number, what: string): void =>
  assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a} against ${b}`);
