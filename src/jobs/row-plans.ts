import { allocateRows, type RowAllocation } from '../allocate/rows.ts';
import { layerBytes, type RowLayer, type RowPrice, type RowTable } from '../allocate/row-table.ts';
import type { CostTable, Plan, PlanLayer } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { UsageError } from '../errors.ts';
import type { Layer } from '../graph/layers.ts';
import { specFor } from '../curvature/candidates.ts';
import { blockOf } from '../grid/index.ts';
import { classBytes } from '../quantize/codes.ts';

/** What one more width of a layer takes in a file, about: a part that is cut out of the width's codes, and joined to the layer's others. */
const SLICE_BYTES = 12;
/** Weights of a layer from which on its rows may have different widths. */
const SMALLEST_MIXED = 4096;
/** Width beyond which rows are not written apart. */
export const WIDEST = 8;

/**
 * Rows left out count for so many times the damage predicted of each by itself: what they give, unlike errors of rounding, goes
 * together, and rows that are seldom of use are those whose use few samples show.
 */
const LEFT_OUT = 3;

/** What decides the widths of rows besides their damages and the budget. */
export interface RowSettings {
  /** Layer name -> width of all its rows; 32 leaves it in float. */
  readonly pins: ReadonlyMap<string, number>;
  /** Groups of layers that share a width. */
  readonly ties?: readonly (readonly string[])[] | undefined;
  readonly rounding: string;
  /** Whether rows may be left out: given 0 bits. */
  readonly omit?: boolean | undefined;
}

/**
 * Why rows of this analyzer's layers cannot have widths of their own; undefined where they can.
 * @param asked whether they were asked for
 */
export function rowsRefused(
  analyzer: CurvatureQuantizationAnalyzer,
  table: CostTable,
  asked: boolean,
): string | undefined {
  if (!analyzer.calibrated) return 'no calibration data to tell rows apart';
  if (table.unit === 'proxy') return `metric ${table.metric} says nothing of rows`;
  if (!analyzer.format.mixedBytes) return `format ${analyzer.format.name} has one width a weight`;
  const whole = asked ? undefined : analyzer.encoding.wholeLayers(analyzer.layers);
  if (whole !== undefined) return whole;
  if (analyzer.rounding.granularity === 'tensor') return 'one scale a tensor serves rows of one width only';
  if (analyzer.widths.filter((b) => b <= WIDEST).length < 2) return 'there is but one width up to 8 bits';
  return undefined;
}

/** Plans with a width for every row: the sum of the rows' damages, a bound of what no such plan can beat. */
export class RowPlans {
  /** Layers whose rows, or all of them together, have widths up to 8. */
  private readonly table: RowTable;
  /** The others, pinned to 16 bits or left in float: name -> choice of the cost table. */
  private readonly fixed = new Map<string, { bits: number; bytes: number; damage: number }>();

  /**
   * @param gains damage of each row / its error at the layer's output, by weight name, as `rowGains` has them; where absent all rows'
   * errors count the same
   * @param costs every layer's damages are scaled so that its rows sum to these
   */
  constructor(
    private readonly analyzer: CurvatureQuantizationAnalyzer,
    private readonly costs: CostTable,
    private readonly gains: ReadonlyMap<string, Float64Array> | undefined,
    private readonly settings: RowSettings,
  ) {
    const layers: RowLayer[] = [];
    for (const layer of analyzer.layers) {
      const pin = settings.pins.get(layer.name) ?? settings.pins.get(layer.weight);
      if (pin !== undefined && pin > WIDEST) this.fixed.set(layer.name, this.choice(layer, pin));
      else layers.push(this.rowLayer(layer, pin));
    }
    const named = new Map(analyzer.layers.flatMap((l) => [[l.weight, l.name] as const, [l.name, l.name] as const]));
    this.table = {
      layers,
      ties: [...(settings.ties ?? []), ...small(analyzer, settings)].map((tie) =>
        tie.map((n) => named.get(n) ?? n).filter((n) => !this.fixed.has(n)),
      ),
    };
  }

  /**
   * The plan of least predicted damage found within that many bytes of codes, scales, zero points and order.
   * @param how.file whether the bytes are those of a file, in which every further width of a layer takes nodes of its own
   * @param how.weights layer name -> what its damages count for, 1 where absent
   * @returns undefined where not even the smallest widths fit
   */
  within(
    bytes: number,
    how: {
      readonly file?: boolean;
      readonly weights?: ReadonlyMap<string, number>;
    } = {},
  ): Plan | undefined {
    const { file = false, weights } = how;
    const layers = this.table.layers.map((layer) => {
      const own = weighted(layer, weights?.get(layer.name));
      return file ? { ...own, price: { ...own.price, slice: SLICE_BYTES } } : own;
    });
    const table = { ...this.table, layers };
    const taken = sum([...this.fixed.values()].map((f) => f.bytes));
    if (table.layers.length === 0) return undefined;
    let found: RowAllocation;
    try {
      found = allocateRows(table, bytes - taken);
    } catch (error) {
      if (error instanceof UsageError) return undefined;
      throw error;
    }
    return this.plan(found, weights === undefined && !file);
  }

  /**
   * Plans in which one layer after the other counts for twice or half as much, those of most predicted damage first; told whether the
   * last plan was better, and goes on from there where it was.
   */
  *moves(plan: Plan, bytes: number, how: { readonly file: boolean }): Generator<Plan, void, boolean> {
    const layers = this.table.layers
      .map((layer) => {
        const own = plan.layers.find((l) => l.name === layer.name)!;
        const bits = own.rowBits ?? new Array<number>(layer.rows).fill(own.bits);
        return { name: layer.name, damage: predicted(layer, bits) };
      })
      .sort((a, b) => b.damage - a.damage);
    let weights = new Map<string, number>();
    for (const { name } of layers)
      for (const factor of [2, 0.5]) {
        const tried = new Map(weights).set(name, factor);
        const moved = this.within(bytes, { ...how, weights: tried });
        if (!moved || !(yield moved)) continue;
        weights = tried;
        break;
      }
  }

  /** Predicted damage of each layer of a plan by weight name; undefined for a layer whose widths are not among these. */
  damagesOf(plan: Plan): Map<string, number> {
    const damages = new Map<string, number>();
    for (const p of plan.layers) {
      const layer = this.table.layers.find((l) => l.name === p.name);
      const fixed = this.fixed.get(p.name);
      if (fixed?.bits === p.bits) damages.set(p.weight, fixed.damage);
      const bits = p.rowBits ?? (layer && new Array<number>(layer.rows).fill(p.bits));
      if (layer && bits?.every((b) => layer.widths.includes(b))) damages.set(p.weight, predicted(layer, bits));
    }
    return damages;
  }

  /** Predicted damage of any plan; undefined where some width is not among these. */
  predict(plan: Plan): number | undefined {
    const damages = this.damagesOf(plan);
    return damages.size === plan.layers.length ? sum([...damages.values()]) : undefined;
  }

  private plan(found: RowAllocation, plain: boolean): Plan {
    const { analyzer, costs, fixed } = this;
    const widths = new Map(this.table.layers.map((l, i) => [l.name, found.widths[i]!]));
    const floats = [...fixed.values()];
    const rows = this.table.layers.map((l, i) => layerBytes(l, countsOf(l, found.widths[i]!)));
    const bytes = sum(rows) + sum(floats.map((f) => f.bytes));
    const own = sum(this.table.layers.map((l, i) => predicted(l, found.widths[i]!)));
    const damage = own + sum(floats.map((f) => f.damage));
    return {
      version: 1,
      metric: costs.metric,
      strategy: 'rows',
      objective: 'sum',
      averageBits: (8 * bytes) / analyzer.quantizable,
      bytes,
      predicted: damage,
      gap: !plain ? null : Math.max(0, found.damage - found.lowerBound),
      layers: analyzer.layers.map((layer) => this.planLayer(layer, widths.get(layer.name))),
    };
  }

  private planLayer(layer: Layer, rowBits: readonly number[] | undefined): PlanLayer {
    const { name, weight } = layer;
    const { granularity, asymmetricBits } = this.analyzer.rounding;
    const bits = rowBits ? rowBits.reduce((a, b) => Math.max(a, b)) : this.fixed.get(name)!.bits;
    const used = [...new Set(rowBits)].sort((a, b) => a - b);
    const asymmetric = used.filter((b) => asymmetricBits.includes(b));
    return {
      name,
      weight,
      bits,
      ...(used.length > 1 ? { rowBits: rowBits! } : {}),
      granularity,
      symmetric: !asymmetricBits.includes(bits),
      ...(used.length > 1 && asymmetric.length > 0 && asymmetric.length < used.length
        ? { asymmetricBits: asymmetric }
        : {}),
      rounding: this.settings.rounding,
      format: bits === 32 ? this.analyzer.format.name : this.formatOf(layer, bits),
    };
  }

  /** The format that can hold rows of different widths, of layers that have none as well: the price of rows is its. */
  private formatOf(layer: Layer, bits: number): string {
    const { encoding, rounding } = this.analyzer;
    return encoding.choose(layer, specFor(rounding, bits), true).format;
  }

  private rowLayer(layer: Layer, pin: number | undefined): RowLayer {
    const { analyzer, gains } = this;
    const stored = pin !== undefined ? [pin] : analyzer.widths.filter((b) => b <= WIDEST);
    const omit = this.settings.omit && pin === undefined && layer.rows > 1 && analyzer.candidates.omits(layer);
    const widths = omit ? [0, ...stored] : stored;
    const gain = gains?.get(layer.weight);
    if (gain && gain.length !== layer.rows && gain.length !== 2 * layer.rows)
      throw new UsageError(
        `gains of '${layer.weight}': expected ${layer.rows}, one for each row, or ${2 * layer.rows}, found ${gain.length}`,
      );
    const { samples } = analyzer.calibrated!;
    // What no sample was seen to hang on counts for something: the next one may.
    const least = gain && gain.subarray(0, layer.rows).reduce((a, b) => a + b, 0) / layer.rows / (samples + 1);
    const damage = new Float64Array(layer.rows * widths.length);
    const sharesAt = (bits: number) => {
      const errors = analyzer.rowErrors(layer, bits);
      const own = bits === 0 && gain && gain.length > layer.rows ? gain.subarray(layer.rows) : gain;
      const times = bits === 0 ? LEFT_OUT : 1;
      const shares = errors.map((e, r) => times * e * (own ? Math.max(own[r]!, least!) : 1));
      return { shares, total: shares.reduce((a, b) => a + b, 0) };
    };
    widths.forEach((bits, j) => {
      const { shares, total } = sharesAt(bits);
      // No layer is measured without its rows: they do as their errors do at the smallest width.
      const narrowest = bits === 0 ? sharesAt(stored[0]!).total : total;
      const known = this.choice(layer, bits || stored[0]!).damage;
      const whole = narrowest > 0 ? (known * total) / narrowest : known;
      // Rows that nothing is known to hang on share what the whole layer was seen to do.
      for (let r = 0; r < layer.rows; r++)
        damage[r * widths.length + j] = total > 0 ? (whole * shares[r]!) / total : whole / layer.rows;
    });
    return {
      name: layer.name,
      weight: layer.weight,
      rows: layer.rows,
      widths,
      asymmetric: analyzer.rounding.asymmetricBits.filter((b) => widths.includes(b)),
      price: priceOf(analyzer, layer),
      damage,
    };
  }

  private choice(layer: Layer, bits: number): { bits: number; bytes: number; damage: number } {
    const own = this.costs.layers.find((l) => l.weight === layer.weight);
    const found = own?.choices.find((c) => c.bits === bits);
    if (!found)
      throw new UsageError(
        `layer '${layer.name}': expected a width among ${own?.choices.map((c) => c.bits)}, found ${bits}`,
      );
    return found;
  }
}

/** Layers that are too small for rows of different widths, each by itself: what decodes these is larger than what they save. */
function small({ layers }: CurvatureQuantizationAnalyzer, { ties = [] }: RowSettings): string[][] {
  const tied = new Set(ties.flat());
  return layers
    .filter((l) => l.params < SMALLEST_MIXED && !tied.has(l.name) && !tied.has(l.weight))
    .map((l) => [l.name]);
}

/** Bytes of one row as the analyzer's format and scales have them. */
function priceOf(analyzer: CurvatureQuantizationAnalyzer, { rows, cols }: Layer): RowPrice {
  const { granularity, scaleType } = analyzer.rounding;
  const block = blockOf(rows, cols, granularity);
  const blocks = Math.ceil(cols / block);
  return {
    codes: blocks * block,
    scales: blocks * (scaleType === 'float16' ? 2 : 4),
    zeros: blocks,
    order: classBytes(rows),
  };
}

/** The layer with its damages multiplied. */
function weighted(layer: RowLayer, weight = 1): RowLayer {
  return weight === 1 ? layer : { ...layer, damage: layer.damage.map((d) => d * weight) };
}

/** How many rows have each width. */
function countsOf({ widths }: RowLayer, rowBits: readonly number[]): number[] {
  return widths.map((b) => rowBits.reduce((n, w) => (w === b ? n + 1 : n), 0));
}

/** Damage of a layer's rows at those widths. */
function predicted({ widths, damage }: RowLayer, rowBits: readonly number[]): number {
  return rowBits.reduce((total, b, r) => total + damage[r * widths.length + widths.indexOf(b)]!, 0);
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
