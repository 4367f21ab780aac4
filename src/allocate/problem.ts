import { UsageError } from '../errors.ts';
import { checkObjective, getObjective, type Objective } from './objectives.ts';
import type { Choice, CostLayer, CostTable } from './types.ts';

/** One width of one item: layers that share a width. */
export interface Option {
  readonly bits: number;
  readonly bytes: number;
  /** The members' costs combined by the objective; of a custom objective the sum of their damages, a guide for heuristics. */
  readonly cost: number;
  /** One choice a member. */
  readonly choices: readonly Choice[];
}

/** A layer, or layers tied together; `options` ascend in bits. */
export interface Item {
  /** Indices of the layers in the table, ascending. */
  readonly members: readonly number[];
  readonly params: number;
  readonly options: readonly Option[];
}

/** One option index an item. */
export type Selection = Int32Array;

export interface ProblemOptions {
  /** Widths that may be used, or 'hardware': 4, 8 and 16. All of the table where absent. */
  readonly widths?: readonly number[] | 'hardware' | undefined;
  /** Name of a registered objective, or one itself. 'sum' where absent. */
  readonly objective?: string | Objective | undefined;
  /** Layer or weight name -> width that layer must have; any width of the table, 32 (float) included. */
  readonly pins?: ReadonlyMap<string, number> | undefined;
  /** Groups of layer or weight names that must share a width. */
  readonly ties?: readonly (readonly string[])[] | undefined;
}

/** Widths that processors have instructions for: what `hardware` stands for. */
export const HARDWARE_WIDTHS: readonly number[] = [4, 8, 16];

/** A cost table with everything that restricts the choice applied: the multiple-choice knapsack the strategies solve. */
export class Problem {
  readonly items: readonly Item[];
  readonly objective: Objective;
  readonly objectiveName: string;
  /** Number of weights of all layers. */
  readonly params: number;
  readonly minBytes: number;
  readonly maxBytes: number;

  constructor(
    readonly table: CostTable,
    options: ProblemOptions = {},
  ) {
    checkTable(table);
    const wanted = options.objective ?? 'sum';
    this.objectiveName = typeof wanted === 'string' ? wanted : 'custom';
    this.objective = typeof wanted === 'string' ? getObjective(wanted) : wanted;
    checkObjective(this.objective);
    this.objective.check?.(table);
    const allowed = allowedWidths(options.widths);
    const pins = resolvePins(table, options.pins);
    this.items = groupLayers(table, options.ties).map((members) => this.makeItem(members, allowed, pins));
    this.params = table.layers.reduce((n, l) => n + l.params, 0);
    this.minBytes = this.items.reduce((n, it) => n + Math.min(...it.options.map((o) => o.bytes)), 0);
    this.maxBytes = this.items.reduce((n, it) => n + Math.max(...it.options.map((o) => o.bytes)), 0);
  }

  /** The same table with other options an item, in its place, or another objective over the same option costs. */
  with(items: readonly Item[], changes: { objective?: Objective; objectiveName?: string } = {}): Problem {
    const limit = (pick: (...n: number[]) => number): number =>
      items.reduce((n, it) => n + pick(...it.options.map((o) => o.bytes)), 0);
    return Object.assign(
      Object.create(Problem.prototype),
      this,
      { items, minBytes: limit(Math.min), maxBytes: limit(Math.max) },
      changes,
    );
  }

  /** Bytes of a selection. */
  bytes(selection: Selection): number {
    let sum = 0;
    for (let i = 0; i < this.items.length; i++) sum += this.option(i, selection).bytes;
    return sum;
  }

  option(item: number, selection: Selection): Option {
    return this.items[item]!.options[selection[item]!]!;
  }

  /** The objective of a selection, summed in the order of the table. */
  value(selection: Selection): number {
    const choices = this.choices(selection);
    const { objective, table } = this;
    if (objective.combine === 'custom') return finite(objective.value(choices, table), this.objectiveName, 'the plan');
    let sum = 0;
    let max = Number.NEGATIVE_INFINITY;
    for (let l = 0; l < choices.length; l++) {
      const c = this.cost(choices[l]!, table.layers[l]!);
      sum += c;
      if (c > max) max = c;
    }
    return objective.combine === 'sum' ? sum : max;
  }

  /** One choice a layer, in the order of the table. */
  choices(selection: Selection): Choice[] {
    const out = new Array<Choice>(this.table.layers.length);
    this.items.forEach((item, i) => {
      const option = item.options[selection[i]!]!;
      item.members.forEach((l, k) => {
        out[l] = option.choices[k]!;
      });
    });
    return out;
  }

  /** Each item's option of fewest bytes; of equal ones the cheapest. */
  smallest(): Selection {
    return Int32Array.from(this.items, ({ options }) => {
      let best = 0;
      options.forEach((o, j) => {
        const b = options[best]!;
        if (o.bytes < b.bytes || (o.bytes === b.bytes && o.cost < b.cost)) best = j;
      });
      return best;
    });
  }

  private cost(choice: Choice, layer: CostLayer): number {
    if (this.objective.combine === 'custom' || !this.objective.cost) return choice.damage;
    return finite(
      this.objective.cost(choice, layer),
      this.objectiveName,
      `layer '${layer.name}' at ${choice.bits} bits`,
    );
  }

  private makeItem(
    members: readonly number[],
    allowed: ReadonlySet<number> | null,
    pins: ReadonlyMap<number, number>,
  ): Item {
    const layers = members.map((l) => this.table.layers[l]!);
    const names = layers.map((l) => `'${l.name}'`).join(', ');
    const pinned = new Set(members.flatMap((l) => pins.get(l) ?? []));
    if (pinned.size > 1)
      throw new UsageError(
        `layers ${names}: tied to one width but pinned to ${[...pinned].join(' and ')} bits; pin one of them`,
      );
    const pin = [...pinned][0];
    const options: Option[] = [];
    for (const { bits } of layers[0]!.choices) {
      const choices = layers.map((l) => l.choices.find((c) => c.bits === bits));
      if (!choices.every((c) => c !== undefined)) continue;
      if (pin !== undefined ? bits !== pin : allowed && !allowed.has(bits) && !onlyFloat(layers)) continue;
      const costs = choices.map((c, k) => this.cost(c, layers[k]!));
      const cost = this.objective.combine === 'max' ? Math.max(...costs) : costs.reduce((a, b) => a + b, 0);
      options.push({ bits, bytes: choices.reduce((n, c) => n + c.bytes, 0), cost, choices });
    }
    if (options.length === 0) {
      const have = layers.map((l) => l.choices.map((c) => c.bits).join(',')).join(' / ');
      const want = pin !== undefined ? `${pin} (pinned)` : allowed ? [...allowed].join(', ') : 'one they share';
      throw new UsageError(
        `layer${layers.length > 1 ? 's' : ''} ${names}: expected a width among ${want}, the table has ${have}`,
      );
    }
    return { members, params: layers.reduce((n, l) => n + l.params, 0), options };
  }
}

/** A layer the table keeps in float has no other width, whatever widths are asked for. */
function onlyFloat(layers: readonly CostLayer[]): boolean {
  return layers.every((l) => l.choices.length === 1 && l.choices[0]!.bits === 32);
}

function finite(value: number, objective: string, what: string): number {
  if (typeof value !== 'number')
    throw new TypeError(`objective '${objective}', ${what}: expected a number, got ${typeof value}`);
  if (!Number.isFinite(value))
    throw new RangeError(`objective '${objective}', ${what}: expected a finite number, got ${value}`);
  return value;
}

function allowedWidths(widths: ProblemOptions['widths']): ReadonlySet<number> | null {
  if (widths === undefined) return null;
  if (widths === 'hardware') return new Set(HARDWARE_WIDTHS);
  if (!Array.isArray(widths)) throw new TypeError(`widths: expected an array or 'hardware', got ${String(widths)}`);
  if (widths.length === 0) throw new RangeError('widths: expected at least one, got none');
  for (const w of widths) {
    if (typeof w !== 'number') throw new TypeError(`widths: expected numbers, got ${typeof w}`);
    if (!Number.isInteger(w) || !((w >= 2 && w <= 8) || w === 16 || w === 32))
      throw new RangeError(`width ${w}: expected 2 to 8, 16, or 32 for float`);
  }
  return new Set([...widths].sort((a, b) => a - b));
}

/** Index of the layer with that name, or whose weight has it. */
function findLayer(table: CostTable, name: string, what: string): number {
  const byName = table.layers.findIndex((l) => l.name === name);
  const found = byName >= 0 ? byName : table.layers.findIndex((l) => l.weight === name);
  if (found < 0)
    throw new UsageError(
      `${what} '${name}': no such layer, expected one of ${shortList(table.layers.map((l) => l.name))}`,
    );
  return found;
}

function shortList(names: readonly string[]): string {
  return names.length <= 8 ? names.join(', ') : `${names.slice(0, 8).join(', ')} and ${names.length - 8} more`;
}

function resolvePins(table: CostTable, pins: ReadonlyMap<string, number> | undefined): Map<number, number> {
  const out = new Map<number, number>();
  for (const [name, bits] of pins ?? []) {
    const l = findLayer(table, name, 'pin');
    const have = out.get(l);
    if (have !== undefined && have !== bits)
      throw new UsageError(`pin '${name}': pinned to ${have} and to ${bits} bits`);
    out.set(l, bits);
  }
  return out;
}

/** Layers joined by ties, in the order of their first member; ties that share a layer are joined. */
function groupLayers(table: CostTable, ties: readonly (readonly string[])[] | undefined): number[][] {
  const root = table.layers.map((_, l) => l);
  const find = (l: number): number => {
    let r = l;
    while (root[r] !== r) r = root[r]!;
    return r;
  };
  for (const tie of ties ?? []) {
    const members = tie.map((name) => find(findLayer(table, name, 'tie')));
    const first = Math.min(...members);
    for (const m of members) root[find(m)] = find(first);
  }
  const groups = new Map<number, number[]>();
  table.layers.forEach((_, l) => {
    const r = find(l);
    const group = groups.get(r);
    if (group) group.push(l);
    else groups.set(r, [l]);
  });
  return [...groups.values()].sort((a, b) => a[0]! - b[0]!);
}

/** What every strategy relies on. @throws RangeError naming the layer and the field */
export function checkTable(table: CostTable): void {
  if (!table || !Array.isArray(table.layers))
    throw new TypeError(`cost table: expected layers, got ${typeof table?.layers}`);
  if (table.layers.length === 0) throw new UsageError('cost table: expected at least one layer, got none');
  const names = new Set<string>();
  for (const layer of table.layers) {
    const at = `cost table, layer '${layer.name}'`;
    if (names.has(layer.name)) throw new RangeError(`${at}: named twice`);
    names.add(layer.name);
    if (!Number.isSafeInteger(layer.params) || layer.params < 1)
      throw new RangeError(`${at}: expected params >= 1, got ${layer.params}`);
    if (!Array.isArray(layer.choices) || layer.choices.length === 0)
      throw new RangeError(`${at}: expected at least one width, got none`);
    let last = 0;
    for (const c of layer.choices) {
      if (!Number.isInteger(c.bits) || c.bits <= last || c.bits > 64)
        throw new RangeError(`${at}: expected widths ascending from 1 to 64, got ${c.bits} after ${last}`);
      last = c.bits;
      if (!Number.isSafeInteger(c.bytes) || c.bytes < 0)
        throw new RangeError(`${at} at ${c.bits} bits: expected whole bytes >= 0, got ${c.bytes}`);
      if (typeof c.damage !== 'number' || !Number.isFinite(c.damage) || c.damage < 0)
        throw new RangeError(`${at} at ${c.bits} bits: expected a finite damage >= 0, got ${c.damage}`);
    }
  }
}
