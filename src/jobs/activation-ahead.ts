import { Problem } from '../allocate/problem.ts';
import { allocateTogether, WIDEST_INTEGER } from '../allocate/together.ts';
import type { CostTable } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { UsageError } from '../errors.ts';
import { sizeOfFiles } from '../onnx/index.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { unitOf } from './activation-damages.ts';
import { whyNotLayer } from './activation-costs.ts';
import { priceOf, valuesOf } from './activation-widths.ts';
import { type ActivationOptions, type Activated, costsOf, roundingBytes } from './activations.ts';
import { type Allocation, pinsOf, Search, type SearchOptions } from './search.ts';

/** What decides an allocation whose activations will be rounded. */
export interface AheadOptions extends SearchOptions, ActivationOptions {
  readonly bits?: number | undefined;
  readonly plan?: unknown;
}

/** The weights' allocation, made with activations in view. */
export interface Ahead {
  readonly search: Search;
  /** Of that many bytes of a file, how many are the weights' and what else is in it. */
  room(budgetBytes: number): number;
}

/**
 * A search for weights beside activations that are to be rounded: weights that are to be multiplied as integers have no width that
 * such products lack, and a file's bytes are shared out with what rounding takes. Which activations will be, where they are chosen,
 * is what `allocateTogether` has of the cost table at this budget.
 */
export async function searchAhead(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  options: AheadOptions,
): Promise<Ahead> {
  const plain = () => new Search(analyzer, wasm, options);
  const given = options.plan !== undefined || options.activations === undefined || options.activations === 'none';
  if (given) return { search: plain(), room: (bytes) => bytes };
  const { weights, values } =
    options.activations === 'auto' ? await expected(wasm, analyzer, options, plain()) : every(analyzer, options);
  const table = await analyzer.costTable();
  const narrow = narrowed(table, weights, pinsOf(options));
  const search = narrow && meets(analyzer, options, narrow) ? searchOn(analyzer, narrow, plain) : plain();
  return {
    search,
    room: (bytes) => {
      const { minBytes } = search.optimizer.limits;
      const least = search.fileBytes(search.optimizer.optimize({ bytes: minBytes }));
      const room = bytes - roundingBytes(wasm, analyzer, search.draft(bytes), options, values);
      return room < least ? bytes : room;
    },
  };
}

/** What is to be of integers: weights, and the width of every value; of all that are not named as asked for. */
interface Expected {
  readonly weights: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, number>;
}

function every({ model, layers }: CurvatureQuantizationAnalyzer, { target = 'any' }: AheadOptions): Expected {
  const able = layers.filter((layer) => whyNotLayer(model, layer, target) === undefined);
  return { weights: new Set(able.map((l) => l.weight)), values: new Map() };
}

/** What the cost table says is best at the budget; nothing for objectives that are no sums, and where no bytes are asked for. */
async function expected(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  options: AheadOptions,
  search: Search,
): Promise<Expected> {
  const nothing = { weights: new Set<string>(), values: new Map<string, number>() };
  if (!analyzer.measuring) return nothing;
  const part = await costsOf(wasm, analyzer, options);
  const { optimizer } = search;
  const { problem } = optimizer;
  const { bits, budgetBytes } = options;
  if (problem.objective.combine !== 'sum' || (bits === undefined && budgetBytes === undefined)) return nothing;
  const { minBytes, maxBytes } = problem;
  const within = (bytes: number) => Math.max(minBytes, Math.min(bytes, maxBytes));
  const smallest = optimizer.optimize({ bytes: minBytes });
  const room = bits === undefined ? budgetBytes! - (search.fileBytes(smallest) - smallest.bytes) : undefined;
  const bytes = room ?? optimizer.bytesOf({ averageBits: bits! });
  const alone = optimizer.optimize({ bytes: within(bytes) });
  const found = allocateTogether(problem, part, {
    bytes: Math.max(minBytes, bytes),
    counted: room !== undefined,
    price: priceOf(alone.predicted, unitOf(analyzer)),
  });
  const rounded = part.products.filter((p) => p.needs.every((n) => found.bits.get(n)! < 32)).map((p) => p.weight);
  const widths = new Map(problem.choices(found.selection).map((c, l) => [problem.table.layers[l]!.weight, c.bits]));
  const weights = rounded.filter((w) => (widths.get(w) ?? 32) <= WIDEST_INTEGER);
  return { weights: new Set(weights), values: valuesOf(part, found.bits) };
}

/** The table with no width for these weights that products of integers lack; undefined where it has none. */
function narrowed(
  table: CostTable,
  weights: ReadonlySet<string>,
  pins: ReadonlyMap<string, number>,
): CostTable | undefined {
  const wide = (bits: number) => bits > WIDEST_INTEGER && bits < 32;
  let changed = false;
  const layers = table.layers.map((layer) => {
    const { name, weight, choices } = layer;
    const own = choices.filter((c) => !wide(c.bits));
    const free = weights.has(weight) && !pins.has(name) && !pins.has(weight);
    if (!free || own.length === choices.length || own.every((c) => c.bits === 32)) return layer;
    changed = true;
    return { ...layer, choices: own };
  });
  return changed ? { ...table, layers } : undefined;
}

/** Whether a table can be given as many bits as are asked for, and what must share a width still can. */
function meets(analyzer: CurvatureQuantizationAnalyzer, options: AheadOptions, table: CostTable): boolean {
  const problem = new Problem(table, { widths: analyzer.widths, pins: pinsOf(options), ties: options.ties });
  return options.bits === undefined || (options.bits * problem.params) / 8 < problem.maxBytes + 1;
}

/** A search on another table than the analyzer's own. */
function searchOn(analyzer: CurvatureQuantizationAnalyzer, table: CostTable, search: () => Search): Search {
  const own = analyzer.optimizer().table;
  analyzer.useCostTable(table);
  try {
    return search();
  } finally {
    analyzer.useCostTable(own);
  }
}

/**
 * Rounding takes bytes: where it takes more than was left for it the weights are made smaller, a few times over, by what the file was
 * too large; where that does not help, or nothing is rounded, they have all bytes.
 * @param fit the best weights whose file is at most that large; undefined where there are no others
 * @param budgetBytes of the whole file, where the weights were given less
 */
export async function withinBytes(
  weights: Allocation,
  round: (weights: Allocation) => Promise<Activated>,
  fit: ((bytes: number) => Promise<Allocation>) | undefined,
  budgetBytes?: number,
): Promise<Activated> {
  const found = await fitted(weights, round, fit);
  if (found.report.mode !== 'none' || !fit || budgetBytes === undefined) return found;
  return { ...found, allocation: await fit(budgetBytes) };
}

async function fitted(
  weights: Allocation,
  round: (weights: Allocation) => Promise<Activated>,
  fit: ((bytes: number) => Promise<Allocation>) | undefined,
): Promise<Activated> {
  const first = await round(weights);
  let last = first;
  for (let i = 0; fit && i < 4 && last.over > 0; i++) {
    try {
      last = await round(await fit(sizeOfFiles(last.allocation) - last.over));
    } catch (error) {
      if (error instanceof UsageError) return first;
      throw error;
    }
  }
  return last.over > 0 ? first : last;
}
