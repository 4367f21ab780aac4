import type { Granularity, PlanActivation } from '../allocate/types.ts';
import type { RankAgreement } from '../curvature/ranking.ts';
import type { TuneReport } from '../tune/index.ts';
import type { HalfReport } from '../quantize/half.ts';
import type { Target } from '../quantize/targets.ts';
import type { VerificationReport } from '../verify/runtime.ts';
import type { FigureLabel } from '../verify/validator.ts';

/** How a figure is known: a theorem whose hypotheses were checked, a measurement on that many samples, or a heuristic. */
export type Label = FigureLabel;

/** One statement about the result. */
export interface Guarantee {
  readonly label: Label;
  readonly statement: string;
  readonly value: number | null;
  /** Samples behind a measurement, or those a proved statement speaks of. */
  readonly samples: number | null;
}

/** What it takes to make a report again: part of what a page holds, and of `--json` beside a page. */
export interface Made {
  /** As it was typed. */
  readonly command: string;
  /** Versions of what it ran on, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** What went in and what came out; of a folder the checksum of a list of the checksums and names in it. */
  readonly files: readonly {
    readonly role: string;
    readonly name: string;
    readonly bytes: number;
    readonly sha256: string;
  }[];
}

/** What became of one layer. */
export interface LayerReport {
  readonly name: string;
  readonly weight: string;
  readonly opType: string;
  readonly params: number;
  /** Width of all rows, or of the widest. */
  readonly bits: number;
  /** How many rows have each width, where they differ; else null. */
  readonly rows: readonly { readonly bits: number; readonly rows: number }[] | null;
  /** Codes, scales, zero points and the order of rows as written. */
  readonly bytes: number;
  readonly granularity: Granularity;
  readonly symmetric: boolean;
  /** sigma_max of the layer's operator, or its proved upper bound. */
  readonly spectralCurvature: number;
  /** sigma_max / sigma_min; null where sigma_min is 0. */
  readonly conditionNumber: number | null;
  /** Predicted damage / squared norm of the weight error, at the given width: the loss curvature along the error really made. */
  readonly lossCurvature: number | null;
  /** Damage of this layer alone at the given width, in the table's unit. */
  readonly damage: number | null;
  readonly damageMeasured: boolean;
  /** Largest absolute weight error. */
  readonly maxError: number;
  /** Format of the layer in the file, and why it has this one; null for a layer left in float. */
  readonly format: string | null;
  readonly formatReason: string | null;
  /** Why this width: what one width less would have cost, what one more would have bought. */
  readonly reason: string;
}

/** One allocation and what it did. */
export interface AllocationResult {
  readonly name: string;
  readonly averageBits: number;
  readonly bytes: number;
  /** Widths in the order of the layers; of a layer whose rows differ their mean. */
  readonly bits: readonly number[];
  /** Whether rows of a layer have widths of their own. */
  readonly rows: boolean;
  /** Damage on the calibration data with all layers quantized together; null where it was not measured. */
  readonly damage: number | null;
  /** Half the width of its 95 % interval (normal approximation over samples); null where there is none. */
  readonly damageError: number | null;
  /** Samples behind it where they are fewer than plans are judged by: it was much worse on these, and not run on the rest. */
  readonly samples?: number;
  /** The objective on the cost table. */
  readonly predicted: number | null;
}

/** A model's behaviour on labelled data, and against a reference where there is one. */
export interface EvaluationReport {
  readonly samples: number;
  readonly predictions: number;
  /** Share of right predictions, 0..1; null without labels. */
  readonly accuracy: number | null;
  /** Mean cross-entropy in nats; null without labels. */
  readonly crossEntropy: number | null;
  readonly reference: ReferenceReport | null;
}

/** A model on held-out data, and against its reference where there is one. */
export interface ReferenceReport {
  readonly accuracy: number | null;
  readonly crossEntropy: number | null;
  /** Mean KL(reference || model) in nats a prediction; null for outputs that are no distributions. */
  readonly kl: number | null;
  /** Half the width of its 95 % interval (normal approximation over samples); null without it, and for a single sample. */
  readonly klError: number | null;
  /** Squared error / squared norm of the outputs. */
  readonly relativeSquaredError: number;
  /** Half the width of its 95 % interval (normal approximation over samples); null for a single sample, and where it is not finite. */
  readonly squaredErrorInterval: number | null;
  readonly maxError: number;
  /** Share of predictions whose argmax changed; null for outputs without a class axis. */
  readonly flips: number | null;
  readonly guarantees: readonly Guarantee[];
}

/** Everything `quantize` has to say: what `--json` prints. */
export interface QuantizeReport {
  readonly kappa: string;
  readonly model: {
    readonly name: string;
    readonly bytes: number;
    readonly quantizable: number;
    readonly layers: number;
  };
  readonly output: {
    readonly bytes: number;
    readonly ratio: number;
    /** Formats of the layers, between commas. */
    readonly format: string;
    /** Who the file was written for. */
    readonly target: Target;
    readonly opset: number;
    readonly parts: FileParts;
    /** Tensors that are not quantized, where they were to be stored as fp16; null where they are fp32. */
    readonly halves: HalfReport | null;
  };
  readonly budget: {
    readonly averageBits: number | null;
    readonly bytes: number | null;
    readonly maxDrop: { readonly measure: string; readonly value: number } | null;
    readonly maxError: number | null;
  };
  readonly averageBits: number;
  readonly widths: readonly number[];
  readonly metric: string;
  readonly unit: 'kl' | 'nse' | 'proxy';
  readonly strategy: string;
  readonly objective: string;
  readonly optimalityGap: number | null;
  /** Samples calibrated on, those of them measured for the cost table, and those whole plans were judged by. */
  readonly calibration: { readonly samples: number; readonly measured: number; readonly judged: number } | null;
  /** How images became samples; absent where no data were images. */
  readonly images?: { readonly calibration?: string; readonly evaluation?: string };
  /** What was drawn in the place of calibration data, and what that rests on; null where there was data, or nothing in its place. */
  readonly dataFree: string | null;
  readonly layers: readonly LayerReport[];
  readonly left: readonly { readonly weight: string; readonly reason: string }[];
  /** Why the model cannot be run, so that nothing could be measured by running it; absent where it can. */
  readonly cannotRun?: string;
  /** The allocations measured together, the chosen one first; `uniform` is always among them where there is data. */
  readonly allocations: readonly AllocationResult[];
  readonly chosen: string;
  /** Why no plan had a width for every row, or what its rows were not told apart by; null where there is nothing to say. */
  readonly rowsNote: string | null;
  /** What training towards the original's outputs did; null where it was not asked for. */
  readonly tuning: TuneReport | null;
  /** The chosen plan's damage: the sum on the table, with all layers quantized on the calibration data, and of the file on held-out data. */
  readonly damage: {
    readonly predicted: number | null;
    readonly together: number | null;
    readonly heldOut: number | null;
  };
  /** Spearman's rank correlation of a metric's prediction and the damage measured together, over the plans that were measured. */
  readonly ranks: readonly { readonly metric: string; readonly plans: number; readonly correlation: number }[];
  /** How metrics' damages of single layers agree with those that were measured: all there are, or those that cost nothing more. */
  readonly metricRanks: readonly MetricRank[];
  /** What went otherwise than the data's owner may think: roundings that fell back, passes cut short, samples too few to hold back. */
  readonly notes: readonly string[];
  readonly evaluation: EvaluationReport | null;
  /** How activations are rounded to integers; absent where that was not asked for. */
  readonly activations?: ActivationReport;
  /** What stock runtimes did with the written file; absent where it was not run in any. */
  readonly verification?: VerificationReport;
  readonly guarantees: readonly Guarantee[];
  readonly seconds: number;
}

/** Activations as integers. */
export interface ActivationReport {
  /** static: constant scales; dynamic: scales found in every run; none: no operator could be, or was allowed to be, one of integers. */
  readonly mode: 'static' | 'dynamic' | 'none';
  /** How ranges were chosen. */
  readonly range: string;
  /** Operators that multiply integers. */
  readonly operators: number;
  /** Values that are rounded. `damage`: of the value's group alone, where it was measured. */
  readonly values: readonly (PlanActivation & { readonly damage: number | null })[];
  /** Layers whose operators stay in float, and why. */
  readonly left: readonly { readonly layer: string; readonly reason: string }[];
  /** Damage on the samples that judge plans with the weights alone quantized, and with activations rounded too. */
  readonly weights: number | null;
  readonly together: number | null;
  /** Of widths that were chosen: the sum of single groups' damages, and the most that activations were allowed to add. */
  readonly predicted: number | null;
  readonly limit: number | null;
  /** Of widths that were chosen: groups of values that share a scale, and the share of multiply-adds that are of integers. */
  readonly groups?: readonly ActivationGroup[];
  readonly work?: number;
}

/** Values that share a scale, where their width was chosen. */
export interface ActivationGroup {
  /** The first of them. */
  readonly name: string;
  readonly values: readonly string[];
  /** 32: left in float. */
  readonly bits: number;
  /** Of the group rounded alone, to that width, or to the narrowest where it is left in float. */
  readonly damage: number;
  /** Damage that the multiply-adds that need it are worth, were they of integers. */
  readonly worth: number;
  /** Why it is left in float; null where it is not. */
  readonly reason: string | null;
}

/** A metric that could not be measured on this model has its reason in place of figures. */
export type MetricRank = RankAgreement | { readonly metric: string; readonly refused: string };

/** Bytes of the written file by what they are; they sum to the file. */
export interface FileParts {
  readonly codes: number;
  readonly scales: number;
  readonly zeros: number;
  /** Where the rows of different widths are to be found. */
  readonly order: number;
  /** Layers left in float. */
  readonly floats: number;
  /** Everything else: other tensors, nodes, names. */
  readonly rest: number;
}

/** What is known of one layer before a width is chosen. */
export interface LayerAnalysis {
  readonly name: string;
  readonly weight: string;
  readonly opType: string;
  readonly params: number;
  readonly spectralCurvature: number;
  readonly spectralBound: 'exact' | 'upper bound';
  readonly conditionNumber: number | null;
  readonly lossCurvature: number | null;
  /** Diameter of the calibrated inputs: twice the largest l2 norm of one; null without data. */
  readonly diameter: number | null;
  /** Proved necessary bits (Theorem 4.7 with the minimum curvature); null without data. */
  readonly requiredBits: number | null;
  /** The seed document's formula: a proxy. */
  readonly recommendedBits: number | null;
  /** Damage by width. */
  readonly damages: readonly { readonly bits: number; readonly damage: number; readonly measured: boolean }[];
  /** Amplification from this layer's output to the network's (Theorem 3.4); null where no bound is known. */
  readonly amplification: number | null;
  /** This layer's contribution to the bound on the output error at the analysed widths; null where no bound is known. */
  readonly contribution: number | null;
}

/** Everything `analyzeModel` has to say. */
export interface AnalyzeReport {
  readonly kappa: string;
  readonly model: QuantizeReport['model'];
  readonly targetAccuracy: number;
  readonly metric: string;
  readonly unit: QuantizeReport['unit'];
  readonly calibration: QuantizeReport['calibration'];
  readonly layers: readonly LayerAnalysis[];
  readonly left: QuantizeReport['left'];
  readonly operators: readonly {
    readonly opType: string;
    readonly lipschitz: number | null;
    readonly curvature: number | null;
    readonly nodes: number;
    readonly note: string;
  }[];
  /** Widths that the table says meet the target accuracy, and what Theorem 3.4 says of them. */
  readonly recommended: {
    readonly averageBits: number;
    readonly bits: readonly number[];
    readonly predicted: number;
  } | null;
  readonly totalErrorBound: number | null;
  readonly measuredError: number | null;
  readonly guarantees: readonly Guarantee[];
  readonly seconds: number;
}

/** The error of every value that two models have in common. */
export interface CompareReport {
  readonly tensors: readonly {
    readonly name: string;
    readonly opType: string;
    readonly dims: readonly number[];
    readonly maxError: number;
    readonly relativeSquaredError: number;
    readonly sqnr: number | null;
  }[];
  readonly outputs: readonly {
    readonly name: string;
    readonly maxError: number;
    readonly relativeSquaredError: number;
  }[];
  readonly onlyInA: number;
  readonly onlyInB: number;
  readonly samples: number;
}

/** What a model file holds. */
export interface InspectReport {
  readonly name: string;
  readonly bytes: number;
  readonly irVersion: number;
  readonly producer: string;
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  readonly inputs: readonly {
    readonly name: string;
    readonly type: string;
    readonly dims: readonly (number | string | null)[] | null;
  }[];
  readonly outputs: InspectReport['inputs'];
  readonly operators: readonly {
    readonly opType: string;
    readonly domain: string;
    readonly count: number;
    readonly supported: boolean;
  }[];
  readonly weights: readonly {
    readonly name: string;
    readonly opType: string;
    readonly dims: readonly number[];
    readonly params: number;
  }[];
  readonly left: QuantizeReport['left'];
  /** Everything in the model that cannot be run, with the names of nodes: operators, their versions, attributes, types. */
  readonly problems: readonly {
    readonly kind: 'version' | 'operator' | 'node' | 'input' | 'initializer';
    readonly operator: string;
    readonly name: string;
    readonly reason: string;
  }[];
  readonly parameters: number;
}

/** One budget and one way to meet it, measured on held-out data by running the written file. */
export interface SweepPoint {
  readonly kind: 'guided' | 'uniform' | 'uniform, per tensor';
  /** Average bits asked for. */
  readonly budget: number;
  readonly averageBits: number;
  /** Bytes of the whole file. */
  readonly bytes: number;
  readonly bits: readonly number[];
  readonly accuracy: number | null;
  readonly crossEntropy: number | null;
  /** Mean KL(fp32 || this) in nats a prediction; squared error / squared norm for outputs that are no distributions. */
  readonly damage: number;
  /** Half the width of its 95 % interval; null for a single sample. */
  readonly damageError: number | null;
  readonly flips: number | null;
}

/** The frontier: bytes against damage at several budgets. */
export interface SweepReport {
  readonly kappa: string;
  readonly model: QuantizeReport['model'];
  readonly calibration: QuantizeReport['calibration'];
  readonly samples: number;
  /** What damage is: a divergence in nats a prediction, or squared error / squared norm. */
  readonly unit: 'kl' | 'nse';
  /** The original model's. */
  readonly accuracy: number | null;
  readonly crossEntropy: number | null;
  readonly points: readonly SweepPoint[];
  readonly seconds: number;
}

/** One test case of `kappa check`. */
export interface CheckCase {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'unsupported';
  /** Largest absolute difference of an element, over all outputs compared; null where none was. */
  readonly maxAbs: number | null;
  /** Why it did not pass. */
  readonly reason: string | null;
}

/** What `kappa check` found. */
export interface CheckReport {
  readonly cases: readonly CheckCase[];
  readonly passed: number;
  readonly failed: number;
  readonly unsupported: number;
}
