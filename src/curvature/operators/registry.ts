/**
 * Definition 4.1 for operators: kappa_f(a) = 1/2 sup over |h| = 1 of |D^2 f_a(h, h)|, and the Lipschitz constant, both in the
 * l2 norm of the whole tensor of one sample and for every point, or every point within the calibrated facts where they are
 * needed. A new layer type is one `registerCurvature`.
 */

/** What is known of one node. All of it is optional: a constant that needs what is not there is Infinity. */
export interface OperatorFacts {
  /** Attributes by their ONNX names. */
  readonly attributes?: Readonly<Record<string, number | string | readonly number[]>> | undefined;
  /** Shapes of the inputs, one sample's. */
  readonly dims?: readonly (readonly number[] | undefined)[] | undefined;
  /** Shape of the first output, one sample's. */
  readonly outputDims?: readonly number[] | undefined;
  /** Elements of constant inputs; undefined for activations. */
  readonly constants?: readonly (ArrayLike<number> | undefined)[] | undefined;
  /** Least and largest element of each input on the calibration set. */
  readonly ranges?: readonly (Range | undefined)[] | undefined;
  /** Largest l2 norm of each input (one sample's) on the calibration set. */
  readonly norms?: readonly (number | undefined)[] | undefined;
  /** Normalisations: the smallest variance (RMSNormalization: mean square) of a group seen on the calibration set. */
  readonly minVariance?: number | undefined;
  /** Weighted layers: the norm of the linear operator, from spectra.ts. */
  readonly operatorNorm?: number | undefined;
}

/** Least and largest element. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Lipschitz constant and curvature of an operator, in the l2 norm of one sample. */
export interface OperatorCurvature {
  /** With respect to all inputs that are not constant, taken together. */
  readonly lipschitz: number;
  /** With respect to each input alone, the others held; 0 for a constant one. */
  readonly perInput: readonly number[];
  /** sup |D^2 f(h, h)| over |h| = 1, away from kinks. */
  readonly secondDerivative: number;
  /** Half of it. */
  readonly kappa: number;
  /** Whether both constants are attained; otherwise they are proved upper bounds. */
  readonly exact: boolean;
  /** Where the value comes from, what it depends on, or what is missing. */
  readonly note: string;
}

/** Constants of an operator from what is known of a node. */
export type CurvatureFunction = (facts: OperatorFacts) => OperatorCurvature;

const REGISTRY = new Map<string, CurvatureFunction>();

/**
 * Makes the curvature of an operator known.
 * @throws TypeError for something that is no function
 * @throws RangeError for an operator that has one
 */
export function registerCurvature(opType: string, curvature: CurvatureFunction): void {
  if (typeof opType !== 'string' || opType === '')
    throw new TypeError(`operator type: expected a non-empty string, got ${opType}`);
  if (typeof curvature !== 'function')
    throw new TypeError(`curvature of ${opType}: expected a function, got ${typeof curvature}`);
  if (REGISTRY.has(opType)) throw new RangeError(`curvature of ${opType}: already registered`);
  REGISTRY.set(opType, curvature);
}

/** Constants of an operator, or undefined where none are registered. */
export function curvatureOf(opType: string, facts: OperatorFacts = {}): OperatorCurvature | undefined {
  return REGISTRY.get(opType)?.(facts);
}

/** Operators registered, in order of registration. */
export function curvatureOperators(): string[] {
  return [...REGISTRY.keys()];
}

/** Constants of g after f: L = L_g L_f and kappa <= kappa_g L_f^2 + L_g kappa_f. */
export function composeCurvature(f: OperatorCurvature, g: OperatorCurvature): OperatorCurvature {
  const kappa = times(g.kappa, times(f.lipschitz, f.lipschitz)) + times(g.lipschitz, f.kappa);
  const lipschitz = times(g.lipschitz, f.lipschitz);
  return {
    lipschitz,
    perInput: f.perInput.map((l) => times(g.lipschitz, l)),
    secondDerivative: 2 * kappa,
    kappa,
    exact: false,
    note: 'composition',
  };
}

/** Product where nothing times anything, infinity included, is nothing. */
export function times(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : a * b;
}

/** Result of an operator of one activation. */
export function single(lipschitz: number, secondDerivative: number, exact: boolean, note: string): OperatorCurvature {
  return { lipschitz, perInput: [lipschitz], secondDerivative, kappa: secondDerivative / 2, exact, note };
}

/** Result of an operator whose constants cannot be bounded from what is known. */
export function unbounded(note: string, inputs = 1): OperatorCurvature {
  const infinity = Number.POSITIVE_INFINITY;
  return {
    lipschitz: infinity,
    perInput: new Array<number>(inputs).fill(infinity),
    secondDerivative: infinity,
    kappa: infinity,
    exact: false,
    note,
  };
}

/** A numeric attribute or its default. */
export function attribute(facts: OperatorFacts, name: string, fallback: number): number {
  const value = facts.attributes?.[name];
  return typeof value === 'number' ? value : fallback;
}

/** A list attribute or undefined. */
export function listAttribute(facts: OperatorFacts, name: string): readonly number[] | undefined {
  const value = facts.attributes?.[name];
  return Array.isArray(value) ? value : undefined;
}

/** Number of elements of a shape. */
export function count(dims: readonly number[]): number {
  return dims.reduce((n, d) => n * d, 1);
}

/** Number of inputs the facts speak of, at least `least`. */
export function inputCount(facts: OperatorFacts, least: number): number {
  const { dims, constants, ranges, norms } = facts;
  return Math.max(least, dims?.length ?? 0, constants?.length ?? 0, ranges?.length ?? 0, norms?.length ?? 0);
}

/** How often input i is repeated by broadcasting to the output; 1 where the shapes are not known. */
export function repeats(facts: OperatorFacts, i: number): number {
  const dims = facts.dims?.[i];
  return dims && facts.outputDims ? Math.max(1, count(facts.outputDims) / Math.max(1, count(dims))) : 1;
}

/** Largest absolute value. */
export function maxAbs(x: ArrayLike<number>): number {
  let max = 0;
  for (let i = 0; i < x.length; i++) max = Math.max(max, Math.abs(x[i]!));
  return max;
}
