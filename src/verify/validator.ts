import * as math from '../math.ts';
import { argmaxCertified, clopperPearson, empiricalBernstein, klBound, marginOf, spread } from './certificates.ts';

/** How a figure is known: a theorem whose hypotheses were checked, a measurement on that many samples, or a heuristic. */
export type FigureLabel = 'proved' | 'measured' | 'proxy';

/** Limits a quantized model must keep, each inclusive. */
export interface Requirements {
  /** Largest absolute output error. */
  readonly maxError?: number | undefined;
  /** Mean absolute output error. */
  readonly meanError?: number | undefined;
  /** Squared error / squared norm of the reference outputs. */
  readonly relativeSquaredError?: number | undefined;
  /** Mean KL(reference || quantized) in nats a prediction. */
  readonly kl?: number | undefined;
  /** Share of predictions whose argmax changed, 0..1. */
  readonly flips?: number | undefined;
  /** Accuracy of the reference less that of the quantized model, 0..1. */
  readonly accuracyDrop?: number | undefined;
  /** Cross-entropy of the quantized model less that of the reference, nats. */
  readonly crossEntropyRise?: number | undefined;
}

/** What a `QuantizationValidator` may be told. */
export interface ValidatorOptions {
  /** Scores are brought to probabilities by softmax over a row; plain values have no KL, flips or accuracy. Default scores. */
  readonly kind?: 'scores' | 'probabilities' | 'values' | undefined;
  /** Of the bounds on unseen samples. Default 0.95. */
  readonly confidence?: number | undefined;
  /** Cut of a sample's KL before it is bounded, nats: fixed before the data is seen. Default 1. */
  readonly klCap?: number | undefined;
}

/** Outputs of both models on the same samples, row-major [rows, cols]. */
export interface ValidationBatch {
  readonly reference: ArrayLike<number>;
  readonly quantized: ArrayLike<number>;
  readonly cols: number;
  /** Rows of one sample (positions of a sequence); 1 where absent. Samples, not rows, are independent. */
  readonly rowsPerSample?: number | undefined;
  /** One class a row; negative ones are left out. */
  readonly labels?: ArrayLike<number> | undefined;
}

/** One figure of a report, and how it is known. */
export interface Figure {
  readonly name: string;
  /** null where the data does not say. */
  readonly value: number | null;
  readonly label: FigureLabel;
  readonly samples: number;
  readonly statement: string;
}

/** A requirement, and what was found. */
export interface RequirementResult {
  readonly name: keyof Requirements;
  readonly limit: number;
  readonly found: number | null;
  /** False too where the data does not say. */
  readonly met: boolean;
}

/** What a `QuantizationValidator` found. */
export interface ValidationReport {
  readonly samples: number;
  readonly predictions: number;
  readonly labelled: number;
  readonly figures: readonly Figure[];
  readonly requirements: readonly RequirementResult[];
  /** Every requirement met on this data. */
  readonly met: boolean;
}

/** Probabilities that underflowed count as the smallest positive 32-bit float. */
const LEAST_PROBABILITY = 1.401298464324817e-45;

/**
 * Compares a quantized model's outputs with the reference's, batch by batch, and says which requirements are met on that data
 * and what follows for samples not seen. Outputs that are not finite are infinitely wrong.
 *
 *     const validator = new QuantizationValidator({ accuracyDrop: 0.005, kl: 0.01 });
 *     validator.add({ reference, quantized, cols: 10, labels });
 *     const { met, figures } = validator.report();
 */
export class QuantizationValidator {
  private readonly kind: 'scores' | 'probabilities' | 'values';
  private readonly confidence: number;
  private readonly klCap: number;
  private samples = 0;
  private rows = 0;
  private elements = 0;
  private labelled = 0;
  private readonly right = { reference: 0, quantized: 0 };
  private readonly nll = { reference: 0, quantized: 0 };
  private readonly kl: number[] = [];
  /** Squared errors and squared norms of the samples. */
  private readonly squares: { error: number; norm: number }[] = [];
  private flips = 0;
  private flippedSamples = 0;
  private certified = 0;
  private maxKlBound = 0;
  private absolute = 0;
  private largest = 0;
  private squaredError = 0;
  private squaredNorm = 0;

  /** @throws TypeError, RangeError for a limit that is no number >= 0 or an option out of range */
  constructor(
    private readonly requirements: Requirements = {},
    options: ValidatorOptions = {},
  ) {
    for (const [name, limit] of Object.entries(requirements)) {
      if (limit === undefined) continue;
      if (!(name in STATEMENTS))
        throw new RangeError(`requirement '${name}': expected one of ${Object.keys(STATEMENTS).join(', ')}`);
      if (typeof limit !== 'number') throw new TypeError(`requirement ${name}: expected a number, got ${typeof limit}`);
      if (!(limit >= 0)) throw new RangeError(`requirement ${name}: expected a limit >= 0, got ${limit}`);
    }
    this.kind = options.kind ?? 'scores';
    if (!['scores', 'probabilities', 'values'].includes(this.kind))
      throw new RangeError(`kind: expected scores, probabilities or values, got ${this.kind}`);
    this.confidence = options.confidence ?? 0.95;
    if (!(this.confidence > 0 && this.confidence < 1))
      throw new RangeError(`confidence: expected a number between 0 and 1, got ${this.confidence}`);
    this.klCap = options.klCap ?? 1;
    if (!(this.klCap > 0 && this.klCap < Number.POSITIVE_INFINITY))
      throw new RangeError(`klCap: expected a positive finite number, got ${this.klCap}`);
  }

  /** @throws RangeError where shapes do not fit each other or a label is no class */
  add(batch: ValidationBatch): this {
    const { reference, quantized, cols, labels } = batch;
    const each = batch.rowsPerSample ?? 1;
    if (!Number.isInteger(cols) || cols < 1) throw new RangeError(`cols: expected an integer >= 1, got ${cols}`);
    if (reference.length % cols !== 0)
      throw new RangeError(`reference: expected a multiple of ${cols} values, got ${reference.length}`);
    if (quantized.length !== reference.length)
      throw new RangeError(`quantized: expected ${reference.length} values, got ${quantized.length}`);
    const rows = reference.length / cols;
    if (!Number.isInteger(each) || each < 1 || rows % each !== 0)
      throw new RangeError(`rowsPerSample: expected a divisor of ${rows}, got ${each}`);
    if (labels && labels.length !== rows) throw new RangeError(`labels: expected ${rows}, got ${labels.length}`);
    if (labels)
      for (let r = 0; r < rows; r++)
        if (!(labels[r]! < cols)) throw new RangeError(`label ${labels[r]}: expected a class below ${cols}`);
    this.samples += rows / each;
    this.rows += rows;
    this.addErrors(reference, quantized, each * cols);
    if (this.kind === 'values') return this;
    for (let s = 0; s < rows; s += each) {
      let kl = 0;
      let flipped = false;
      for (let r = s; r < s + each; r++) {
        kl += this.addRow(reference, quantized, r * cols, cols, labels?.[r] ?? -1);
        if (argmax(reference, r * cols, cols) !== argmax(quantized, r * cols, cols)) {
          this.flips++;
          flipped = true;
        }
      }
      this.kl.push(kl / each);
      if (flipped) this.flippedSamples++;
    }
    return this;
  }

  report(): ValidationReport {
    const found = this.found();
    const { samples, rows, labelled } = this;
    const figures: Figure[] = (Object.keys(STATEMENTS) as (keyof Requirements)[]).map((name) => ({
      name,
      value: found[name],
      label: 'measured',
      samples: name === 'accuracyDrop' || name === 'crossEntropyRise' ? labelled : samples,
      statement: STATEMENTS[name],
    }));
    const requirements = (Object.keys(STATEMENTS) as (keyof Requirements)[]).flatMap((name) => {
      const limit = this.requirements[name];
      if (limit === undefined) return [];
      const value = found[name];
      return [{ name, limit, found: value, met: value !== null && value <= limit }];
    });
    return {
      samples,
      predictions: rows,
      labelled,
      figures: [...figures, ...this.accuracies(), ...this.klError(), ...this.squaresError(), ...this.guarantees()],
      requirements,
      met: requirements.every((r) => r.met),
    };
  }

  private addErrors(reference: ArrayLike<number>, quantized: ArrayLike<number>, each: number): void {
    let own = { error: 0, norm: 0 };
    for (let i = 0; i < reference.length; i++) {
      if (i % each === 0) {
        own = { error: 0, norm: 0 };
        this.squares.push(own);
      }
      const a = reference[i]!;
      let d = Math.abs(quantized[i]! - a);
      if (Number.isNaN(d)) d = Number.POSITIVE_INFINITY;
      this.absolute += d;
      this.largest = Math.max(this.largest, d);
      this.squaredError += d * d;
      this.squaredNorm += a * a;
      own.error += d * d;
      own.norm += a * a;
    }
    this.elements += reference.length;
  }

  /** @returns the row's KL */
  private addRow(
    reference: ArrayLike<number>,
    quantized: ArrayLike<number>,
    from: number,
    cols: number,
    label: number,
  ): number {
    const p = this.logProbabilities(reference, from, cols);
    const q = this.logProbabilities(quantized, from, cols);
    if (label >= 0) {
      this.labelled++;
      if (argmax(reference, from, cols) === label) this.right.reference++;
      if (argmax(quantized, from, cols) === label) this.right.quantized++;
      this.nll.reference -= p[label]!;
      this.nll.quantized -= q[label]!;
    }
    // Scores are log-probabilities up to a constant; what is a probability already has a spread of its logarithms.
    const range = spread(p, q);
    this.maxKlBound = Math.max(this.maxKlBound, klBound(range));
    if (argmaxCertified(marginOf(p), range)) this.certified++;
    let kl = 0;
    for (let c = 0; c < cols; c++) {
      const weight = math.exp(p[c]!);
      if (weight > 0) kl += weight * (p[c]! - q[c]!);
    }
    return Number.isNaN(kl) ? Number.POSITIVE_INFINITY : Math.max(0, kl);
  }

  private logProbabilities(x: ArrayLike<number>, from: number, cols: number): Float64Array {
    const out = new Float64Array(cols);
    if (this.kind === 'probabilities') {
      for (let c = 0; c < cols; c++) out[c] = math.log(Math.max(x[from + c]!, LEAST_PROBABILITY));
      return out;
    }
    let max = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < cols; c++) max = Math.max(max, x[from + c]!);
    let sum = 0;
    for (let c = 0; c < cols; c++) sum += math.exp(x[from + c]! - max);
    for (let c = 0; c < cols; c++) out[c] = x[from + c]! - max - math.log(sum);
    return out;
  }

  private found(): Record<keyof Requirements, number | null> {
    const classes = this.kind !== 'values' && this.rows > 0;
    const labels = this.labelled > 0;
    return {
      maxError: this.elements > 0 ? this.largest : null,
      meanError: this.elements > 0 ? this.absolute / this.elements : null,
      relativeSquaredError:
        this.elements === 0 ? null : this.squaredError === 0 ? 0 : this.squaredError / this.squaredNorm,
      kl: classes ? mean(this.kl) : null,
      flips: classes ? this.flips / this.rows : null,
      accuracyDrop: labels ? (this.right.reference - this.right.quantized) / this.labelled : null,
      crossEntropyRise: labels ? (this.nll.quantized - this.nll.reference) / this.labelled : null,
    };
  }

  private accuracies(): Figure[] {
    if (this.labelled === 0) return [];
    const { labelled, right, nll } = this;
    const figure = (name: string, sum: number, statement: string): Figure => ({
      name,
      value: sum / labelled,
      label: 'measured',
      samples: labelled,
      statement,
    });
    return [
      figure('referenceAccuracy', right.reference, 'share of right predictions, reference model'),
      figure('accuracy', right.quantized, 'share of right predictions, quantized model'),
      figure('referenceCrossEntropy', nll.reference, 'mean -log p(label) in nats, reference model'),
      figure('crossEntropy', nll.quantized, 'mean -log p(label) in nats, quantized model'),
    ];
  }

  /** Of the mean KL: 1.96 standard errors over samples. */
  private klError(): Figure[] {
    const { kl, samples } = this;
    if (this.kind === 'values' || samples < 2) return [];
    const centre = mean(kl);
    const variance = kl.reduce((sum, v) => sum + (v - centre) ** 2, 0) / (samples - 1);
    const statement = 'half the width of the 95 % interval of the mean KL, nats (normal approximation)';
    return [{ name: 'klError', value: 1.96 * Math.sqrt(variance / samples), label: 'measured', samples, statement }];
  }

  /** Of squared error / squared norm, a ratio of sums over samples: 1.96 standard errors by its linearization. */
  private squaresError(): Figure[] {
    const { squares, samples, squaredError, squaredNorm } = this;
    const ratio = squaredError / squaredNorm;
    if (samples < 2 || squares.length !== samples || !Number.isFinite(ratio)) return [];
    const residuals = squares.reduce((sum, { error, norm }) => sum + (error - ratio * norm) ** 2, 0);
    const value = (1.96 * Math.sqrt((samples * residuals) / (samples - 1))) / squaredNorm;
    if (!Number.isFinite(value)) return [];
    const statement =
      'half the width of the 95 % interval of squared error / squared norm (normal approximation over samples)';
    return [{ name: 'squaredErrorInterval', value, label: 'measured', samples, statement }];
  }

  private guarantees(): Figure[] {
    if (this.kind === 'values' || this.samples === 0) return [];
    const { samples, confidence, klCap } = this;
    const percent = `with ${100 * confidence} % confidence, for unseen samples of the same kind and data that did not choose the plan`;
    return [
      {
        name: 'flipsBound',
        value: clopperPearson(this.flippedSamples, samples, confidence).upper,
        label: 'proved',
        samples,
        statement: `${percent}: chance that the argmax of a sample changes, in any of its rows (Clopper-Pearson)`,
      },
      {
        name: 'klUpperBound',
        value: empiricalBernstein(this.kl, klCap, confidence).upper,
        label: 'proved',
        samples,
        statement: `${percent}: expected min(KL, ${klCap}) of a sample (empirical Bernstein)`,
      },
      {
        name: 'maxKlBound',
        value: this.maxKlBound,
        label: 'proved',
        samples,
        statement: 'largest KL of any of these rows by (max d - min d)^2 / 8',
      },
      {
        name: 'certified',
        value: this.certified / this.rows,
        label: 'proved',
        samples,
        statement: 'share of these rows whose argmax is unchanged by their margin alone',
      },
    ];
  }
}

const STATEMENTS: Readonly<Record<keyof Requirements, string>> = {
  maxError: 'largest absolute error of an output',
  meanError: 'mean absolute error of an output',
  relativeSquaredError: 'squared error / squared norm of the outputs',
  kl: 'mean KL(reference || quantized) of a prediction, nats',
  flips: 'share of predictions whose argmax changed',
  accuracyDrop: 'accuracy lost against the reference',
  crossEntropyRise: 'cross-entropy gained against the reference, nats',
};

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** Index of the largest value of a row, the first of equal ones; -1 where a value is NaN. */
function argmax(x: ArrayLike<number>, from: number, cols: number): number {
  let best = 0;
  for (let c = 0; c < cols; c++) {
    if (Number.isNaN(x[from + c]!)) return -1;
    if (x[from + c]! > x[from + best]!) best = c;
  }
  return best;
}
