import { DataError } from '../errors.ts';
import type {
  Choice,
  CostActivations,
  CostGroup,
  CostLayer,
  CostTable,
  Granularity,
  Plan,
  PlanActivation,
  PlanActivations,
  PlanLayer,
} from './types.ts';

/** Bounds on what a file may claim. */
const MAX_LAYERS = 1_000_000;
const MAX_CHOICES = 64;
const MAX_ROWS = 2 ** 24;

/**
 * A plan read from JSON, every field checked; fields this version does not know are dropped.
 * @param name what errors call it
 * @throws DataError naming the field, what was expected and what was found
 */
export function parsePlan(value: unknown, name = 'plan'): Plan {
  const o = object(value, name);
  version(o, name);
  const layers = list(o.layers, `${name}.layers`, MAX_LAYERS).map((l, i) => planLayer(l, `${name}.layers[${i}]`));
  unique(layers, name);
  return {
    version: 1,
    metric: text(o.metric, `${name}.metric`),
    strategy: text(o.strategy, `${name}.strategy`),
    objective: text(o.objective, `${name}.objective`),
    averageBits: number(o.averageBits, `${name}.averageBits`, 0),
    bytes: integer(o.bytes, `${name}.bytes`, 0),
    predicted: number(o.predicted, `${name}.predicted`),
    gap: o.gap === null ? null : number(o.gap, `${name}.gap`, 0),
    layers,
    ...(o.activations === undefined ? {} : { activations: activations(o.activations, `${name}.activations`) }),
  };
}

/** A cost table read from JSON, every field checked. @throws DataError as `parsePlan` does */
export function parseCostTable(value: unknown, name = 'cost table'): CostTable {
  const o = object(value, name);
  version(o, name);
  const unit = o.unit;
  if (unit !== 'kl' && unit !== 'nse' && unit !== 'proxy') fail(`${name}.unit`, "'kl', 'nse' or 'proxy'", unit);
  const layers = list(o.layers, `${name}.layers`, MAX_LAYERS).map((l, i) => costLayer(l, `${name}.layers[${i}]`));
  unique(layers, name);
  return {
    version: 1,
    metric: text(o.metric, `${name}.metric`),
    unit,
    samples: integer(o.samples, `${name}.samples`, 0),
    layers,
    ...(o.activations === undefined ? {} : { activations: costActivations(o.activations, `${name}.activations`) }),
  };
}

function planLayer(value: unknown, at: string): PlanLayer {
  const o = object(value, at);
  const bits = integer(o.bits, `${at}.bits`, 2);
  if (!((bits >= 2 && bits <= 8) || bits === 16 || bits === 32))
    fail(`${at}.bits`, '2 to 8, 16, or 32 for float', bits);
  if (typeof o.symmetric !== 'boolean') fail(`${at}.symmetric`, 'true or false', o.symmetric);
  return {
    name: text(o.name, `${at}.name`),
    weight: text(o.weight, `${at}.weight`),
    bits,
    ...(o.rowBits === undefined ? {} : rowWidths(o.rowBits, bits, at)),
    granularity: granularity(o.granularity, `${at}.granularity`),
    symmetric: o.symmetric,
    ...(o.asymmetricBits === undefined ? {} : { asymmetricBits: widths(o.asymmetricBits, `${at}.asymmetricBits`, 64) }),
    rounding: text(o.rounding, `${at}.rounding`),
    format: text(o.format, `${at}.format`),
  };
}

const LIMITS = { uint8: [0, 255], int8: [-128, 127], uint16: [0, 65535], int16: [-32768, 32767] } as const;

function activations(value: unknown, at: string): PlanActivations {
  const o = object(value, at);
  const { mode } = o;
  if (mode !== 'static' && mode !== 'dynamic') fail(`${at}.mode`, "'static' or 'dynamic'", mode);
  const values = list(o.values, `${at}.values`, MAX_LAYERS).map((v, i) => activation(v, `${at}.values[${i}]`));
  return { mode, range: text(o.range, `${at}.range`), values };
}

function activation(value: unknown, at: string): PlanActivation {
  const o = object(value, at);
  const type = text(o.type, `${at}.type`) as keyof typeof LIMITS;
  if (!Object.hasOwn(LIMITS, type)) fail(`${at}.type`, Object.keys(LIMITS).join(', '), type);
  const bits = integer(o.bits, `${at}.bits`, 8);
  if (bits !== 32 && !type.endsWith(`int${bits}`)) fail(`${at}.bits`, `32 for float, or those of ${type}`, bits);
  const scale = number(o.scale, `${at}.scale`, 0);
  if (!(Math.fround(scale) > 0 && Number.isFinite(Math.fround(scale)))) fail(`${at}.scale`, 'a float above 0', scale);
  const zero = number(o.zero, `${at}.zero`);
  const [low, high] = LIMITS[type];
  if (!Number.isInteger(zero) || zero < low || zero > high)
    fail(`${at}.zero`, `a whole number ${low} to ${high}`, zero);
  return { value: text(o.value, `${at}.value`), bits, type, scale: Math.fround(scale), zero };
}

/** A width for every row, `bits` the widest. */
function rowWidths(value: unknown, bits: number, at: string): { rowBits: number[] } {
  const rowBits = widths(value, `${at}.rowBits`, MAX_ROWS, '0 or 2 to 8');
  if (rowBits.length === 0) fail(`${at}.rowBits`, 'at least one width', 'none');
  const widest = rowBits.reduce((a, b) => Math.max(a, b));
  if (widest !== bits) fail(`${at}.bits`, `${widest}, the widest of rowBits`, bits);
  return { rowBits };
}

function widths(value: unknown, at: string, most: number, allowed = '2 to 8'): number[] {
  const least = allowed === '2 to 8' ? 2 : 0;
  return list(value, at, most).map((b, i) => {
    const width = integer(b, `${at}[${i}]`, least);
    return width !== 1 && width <= 8 ? width : fail(`${at}[${i}]`, allowed, width);
  });
}

function costLayer(value: unknown, at: string): CostLayer {
  const o = object(value, at);
  return {
    name: text(o.name, `${at}.name`),
    weight: text(o.weight, `${at}.weight`),
    opType: text(o.opType, `${at}.opType`),
    params: integer(o.params, `${at}.params`, 1),
    choices: choicesIn(o.choices, `${at}.choices`),
  };
}

function choicesIn(value: unknown, at: string): Choice[] {
  const choices = list(value, at, MAX_CHOICES).map((c, i) => choice(c, `${at}[${i}]`));
  if (choices.length === 0) fail(at, 'at least one width', 'none');
  choices.forEach((c, i) => {
    if (i > 0 && c.bits <= choices[i - 1]!.bits)
      fail(`${at}[${i}].bits`, `more than ${choices[i - 1]!.bits}, widths ascend`, c.bits);
  });
  return choices;
}

function costActivations(value: unknown, at: string): CostActivations {
  const o = object(value, at);
  const groups = list(o.groups, `${at}.groups`, MAX_LAYERS).map((g, i) => costGroup(g, `${at}.groups[${i}]`));
  const names = new Set(groups.map((g) => g.name));
  if (names.size !== groups.length) fail(`${at}.groups`, 'names that differ', 'two alike');
  const products = list(o.products, `${at}.products`, MAX_LAYERS).map((p, i) => {
    const [own, where] = [object(p, `${at}.products[${i}]`), `${at}.products[${i}]`];
    const needs = list(own.needs, `${where}.needs`, MAX_LAYERS).map((n, j) => text(n, `${where}.needs[${j}]`));
    const strange = needs.find((n) => !names.has(n));
    if (strange !== undefined) fail(`${where}.needs`, 'names of groups', strange);
    return {
      weight: text(own.weight, `${where}.weight`),
      work: number(own.work, `${where}.work`, 0),
      needs,
      bytes: integer(own.bytes, `${where}.bytes`, 0),
    };
  });
  const work = number(o.work, `${at}.work`, 0);
  return { range: text(o.range, `${at}.range`), type: text(o.type, `${at}.type`), work, groups, products };
}

function costGroup(value: unknown, at: string): CostGroup {
  const o = object(value, at);
  const choices = choicesIn(o.choices, `${at}.choices`);
  const wrong = choices.find(({ bits }) => bits !== 8 && bits !== 16 && bits !== 32);
  if (wrong) fail(`${at}.choices`, 'widths of 8, 16 and 32 bits', wrong.bits);
  if (choices.at(-1)!.bits !== 32) fail(`${at}.choices`, '32 bits at the end: float', choices.at(-1)!.bits);
  const values = list(o.values, `${at}.values`, MAX_LAYERS).map((v, i) => text(v, `${at}.values[${i}]`));
  return { name: text(o.name, `${at}.name`), values, choices };
}

function choice(value: unknown, at: string): Choice {
  const o = object(value, at);
  if (typeof o.measured !== 'boolean') fail(`${at}.measured`, 'true or false', o.measured);
  return {
    bits: integer(o.bits, `${at}.bits`, 1),
    damage: number(o.damage, `${at}.damage`, 0),
    bytes: integer(o.bytes, `${at}.bytes`, 0),
    measured: o.measured,
  };
}

function granularity(value: unknown, at: string): Granularity {
  if (value === 'tensor' || value === 'channel') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
  return fail(at, "'tensor', 'channel' or a block length", value);
}

function fail(at: string, expected: string, found: unknown): never {
  throw new DataError(`${at}: expected ${expected}, found ${show(found)}`);
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 40)}'`;
  if (value === null || typeof value !== 'object') return String(value);
  return Array.isArray(value) ? 'an array' : 'an object';
}

function object(value: unknown, at: string): Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return fail(at, 'an object', value);
  return value as Record<string, unknown>;
}

function list(value: unknown, at: string, most: number): unknown[] {
  if (!Array.isArray(value)) return fail(at, 'an array', value);
  if (value.length > most) fail(at, `at most ${most} entries`, value.length);
  return value;
}

function version(o: Record<string, unknown>, at: string): void {
  if (o.version !== 1) fail(`${at}.version`, '1', o.version);
}

function text(value: unknown, at: string): string {
  return typeof value === 'string' ? value : fail(at, 'a string', value);
}

function number(value: unknown, at: string, least = Number.NEGATIVE_INFINITY): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < least)
    return fail(at, Number.isFinite(least) ? `a finite number >= ${least}` : 'a finite number', value);
  return value;
}

function integer(value: unknown, at: string, least: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least)
    return fail(at, `an integer >= ${least}`, value);
  return value;
}

function unique(layers: readonly { readonly name: string }[], at: string): void {
  const seen = new Set<string>();
  for (const { name } of layers) {
    if (seen.has(name)) fail(`${at}.layers`, 'names that differ', name);
    seen.add(name);
  }
}
