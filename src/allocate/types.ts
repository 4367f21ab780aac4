/**
 * The two tables that carry everything between rooms. Both are plain JSON: they can be saved, edited by hand and read back.
 */

/** One width of one layer. */
export interface Choice {
  /** 2..8 or 16; 32 is the layer left in float. */
  readonly bits: number;
  /** Predicted damage to the whole network of this layer alone at this width, in the table's unit; >= 0, finite. */
  readonly damage: number;
  /** Codes, scales and zero points of the layer in bytes, as they are written. */
  readonly bytes: number;
  /** True where a forward pass measured `damage`; false where it was derived from another width or is a proxy. */
  readonly measured: boolean;
}

/** One layer of a cost table: every width it may have. */
export interface CostLayer {
  /** Name shown to people, unique in the table. */
  readonly name: string;
  /** Name of the weight initializer. */
  readonly weight: string;
  readonly opType: string;
  /** Number of weights. */
  readonly params: number;
  /** Ascending in bits, one entry a width. */
  readonly choices: readonly Choice[];
}

/** Layer x width -> damage and bytes. Every sensitivity metric makes one, every strategy and objective reads one. */
export interface CostTable {
  readonly version: 1;
  readonly metric: string;
  /** kl: nats a prediction; nse: squared error / squared norm; proxy: no unit, only an order. */
  readonly unit: 'kl' | 'nse' | 'proxy';
  readonly samples: number;
  /** In the order of the graph. */
  readonly layers: readonly CostLayer[];
  /** Values between operators; absent where they were not measured. */
  readonly activations?: CostActivations;
}

/** What rounding values between operators costs, and what it gains. Damages are in the table's unit. */
export interface CostActivations {
  /** How ranges were chosen, and what 8 bits are stored as. */
  readonly range: string;
  readonly type: string;
  /** Multiply-adds of all layers, one sample. */
  readonly work: number;
  /** In the order of the graph. */
  readonly groups: readonly CostGroup[];
  readonly products: readonly CostProduct[];
}

/** Values that hold the same elements, moved: they share width, scale and zero point. */
export interface CostGroup {
  /** Name of the first value, unique in the table. */
  readonly name: string;
  readonly values: readonly string[];
  /** 8 and 16 bits as far as measured, then 32: left in float. `damage`: of the group alone; `bytes`: of nodes, scale and zero point. */
  readonly choices: readonly Choice[];
}

/** A layer whose products are of integers where all that its operators read and make is rounded. */
export interface CostProduct {
  /** Name of the weight initializer. */
  readonly weight: string;
  /** Multiply-adds of one sample that integers make faster: 0 where they do not. */
  readonly work: number;
  /** Names of groups. */
  readonly needs: readonly string[];
  /** What the products take in the file beyond those of floats, the groups' bytes not counted. */
  readonly bytes: number;
}

/** Granularity of the scales: one a tensor, one an output channel, or one a block of that many weights of a channel. */
export type Granularity = 'tensor' | 'channel' | number;

/** One layer of a plan: how its weight is written. */
export interface PlanLayer {
  readonly name: string;
  readonly weight: string;
  /** Width of all rows, the widest of them where `rowBits` is there. */
  readonly bits: number;
  /** A width, 2..8, for every row: output channels in the weight's order. 0 for a row that is left out: it gives 0. */
  readonly rowBits?: readonly number[];
  readonly granularity: Granularity;
  /** True: no zero points. With `asymmetricBits`, of the widest rows. */
  readonly symmetric: boolean;
  /** Beside `rowBits`: widths whose rows have zero points; where absent `symmetric` says it for all. */
  readonly asymmetricBits?: readonly number[];
  readonly rounding: string;
  readonly format: string;
}

/** How one value that an operator makes, or the model is fed, is rounded. */
export interface PlanActivation {
  readonly value: string;
  /** 8 or 16; 32 is the value left in float. */
  readonly bits: number;
  /** What it is stored as: value = (integer - zero) * scale. */
  readonly type: 'uint8' | 'int8' | 'uint16' | 'int16';
  readonly scale: number;
  readonly zero: number;
}

/** Activations of a plan: operators that multiply integers. */
export interface PlanActivations {
  /** static: scales and zero points are constants. dynamic: found in every run, for all matrix products; `values` is empty. */
  readonly mode: 'static' | 'dynamic';
  /** How ranges were chosen: minmax, percentile, mse, entropy. */
  readonly range: string;
  /** In the order of the graph; values that move into each other have the same scale and zero point. */
  readonly values: readonly PlanActivation[];
}

/** Layer -> width, granularity, rounding, format. */
export interface Plan {
  readonly version: 1;
  readonly metric: string;
  readonly strategy: string;
  readonly objective: string;
  /** (codes + scales + zero points, and the order of rows, in bits) / number of quantizable weights. */
  readonly averageBits: number;
  /** Sum of the layers' bytes; of rows of different widths their order as well. */
  readonly bytes: number;
  /** The objective's value on the table. */
  readonly predicted: number;
  /** Proven: no plan within the budget has an objective below `predicted - gap`. 0: optimal. null: nothing is proved. */
  readonly gap: number | null;
  readonly layers: readonly PlanLayer[];
  /** Absent where no activation is rounded. */
  readonly activations?: PlanActivations;
}
