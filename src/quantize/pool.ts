import type { Coded } from '../grid/coded.ts';
import { toHalf } from '../grid/index.ts';
import { DATA_TYPES, type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';
import { CLASS_BITS, lastFirst, rowClasses, rowPlaces } from './codes.ts';
import type { QuantizedWeight } from './format.ts';
import { concatenated, joinedWeight } from './joined.ts';
import { rowsBack } from './layout.ts';
import { mergedMiddles, mergedScales, mergedZeros } from './slices.ts';
import { inARow, Streams } from './streams.ts';

/** Whether a weight can be decoded with others that can: one scale a row, at most 8 bits. */
export function pools({ coded }: QuantizedWeight): boolean {
  return coded.every(({ grid }) => grid.block === grid.cols && grid.bits <= 8);
}

/** What weights that are decoded together have in common: those without zero points need tables, which others do without. */
export function poolKey({ coded }: QuantizedWeight): string {
  return `pool ${coded[0]!.grid.scaleType} ${coded.every(({ grid }) => grid.symmetric)}`;
}

/** Weights alike but for their number of rows, one after the other along the axis of the rows, decoded. */
export interface Pooled {
  /** The weights' places among all, in order, and their numbers of rows. */
  readonly members: readonly number[];
  readonly sizes: readonly number[];
  readonly whole: QuantizedWeight;
  /** Whether a class is stored of every row. */
  readonly ordered: boolean;
  /** In the shape of `whole`: code - 2^(bits-1) as int8 where `signed`, else the code as uint8. */
  readonly value: string;
  readonly signed: boolean;
}

/** A weight of one width has its rows told apart beside others where it has at most that many: else it is decoded apart from these. */
const MOST_ROWS = 1024;
/** Most weights that are floats all at once before they are cut apart: where memory is scarce they have to fit. */
const MOST_FLOATS = 3 * 2 ** 17;

/**
 * Codes of weights that have a scale a row and at most 8 bits. All codes of a width, of whatever weight, are one stream: decoded
 * together, in flat order, joined with the other widths' to one value, and cut into what is a width's of a group of weights alike.
 * A group's parts are joined again, put in shape, and, where rows of a weight have different widths, in order.
 * @param leftOut what rows left out read: any other row, or one of zeros
 */
export function pooledCodes(
  wasm: Wasm,
  b: Builder,
  weights: readonly QuantizedWeight[],
  leftOut: 'any' | 'zeros' = 'any',
): Pooled[] {
  const wholes = groupsOf(weights).map((members) => {
    const own = members.map((i) => weights[i]!);
    return { members, own, whole: joinedWeight(own) };
  });
  // Only zero points can take 2^(bits-1) away again.
  const signed = b.opset < 11 || wholes.some(({ whole }) => whole.coded.every(({ grid }) => grid.symmetric));
  const streams = new Streams(wasm, b, signed);
  const groups = wholes.map(({ members, own, whole }) => {
    const ordered = own.some((w) => w.coded.length > 1);
    const slices = ordered ? whole.coded.filter(({ grid }) => grid.bits > 0) : own.map((w) => w.coded[0]!);
    const parts = runsOf(slices, ordered).map(({ bits, codes }) => streams.add(bits, codes));
    return { members, sizes: own.map((w) => w.dims[w.rowAxis]!), whole, ordered, signed, parts };
  });
  const mixed = groups.filter((g) => g.ordered);
  const classes = mixed.map(({ whole }) => rowClasses(whole.coded));
  const told = mixed.length > 0 ? streams.add(CLASS_BITS, concatenated(classes)) : undefined;
  streams.write();
  const places = new Map<QuantizedWeight, string>();
  if (told) {
    const sizes = classes.map((c) => c.length);
    b.split(b.cast(streams.value(told), DATA_TYPES.float), sizes).forEach((value, i) => {
      const { whole } = mixed[i]!;
      places.set(whole, rowPlaces(b, value, sizes[i]!, rowsGone(whole), leftOut === 'zeros'));
    });
  }
  return groups.map(({ parts, ...group }) => {
    const { dims, rowAxis } = group.whole;
    const rows = dims[rowAxis]!;
    const others = dims.filter((_, i) => i !== rowAxis);
    const own = parts.map((part) => streams.value(part));
    const gone = rowsGone(group.whole);
    const cols = others.reduce((n, d) => n * d, 1);
    const zeros = leftOut === 'zeros' && gone > 0;
    if (zeros)
      own.unshift(
        b.initializer(
          '',
          signed ? tensor('int8', [cols], new Int8Array(cols)) : tensor('uint8', [cols], new Uint8Array(cols)),
        ),
      );
    let value = b.reshape(inARow(b, own), [group.ordered ? rows - gone + (zeros ? 1 : 0) : rows, ...others]);
    const index = places.get(group.whole);
    if (index !== undefined) value = b.node('Gather', [value, index]);
    if (rowAxis > 0)
      value = b.node('Transpose', [value], { perm: { type: 'ints', value: rowsBack(dims.length, rowAxis) } });
    return { ...group, value };
  });
}

/** The scales of all rows in order, of the type they are stored in. */
export function storedScales(wasm: Wasm, coded: Coded): Tensor {
  const scales = mergedScales(coded);
  return coded[0]!.grid.scaleType === 'float16'
    ? tensor('float16', [scales.length], toHalf(wasm, scales))
    : tensor('float', [scales.length], scales);
}

/** The zero points of all rows in order, less 2^(bits-1) where the group's codes are so; undefined where there are none. */
export function storedZeros(wasm: Wasm, { whole: { coded }, signed }: Pooled): Tensor | undefined {
  const zeros = mergedZeros(wasm, coded) as Int8Array | undefined;
  if (zeros === undefined) return undefined;
  if (signed) return tensor('int8', [zeros.length], zeros);
  const middles = mergedMiddles(coded);
  return tensor(
    'uint8',
    [zeros.length],
    middles.map((middle, i) => middle + zeros[i]!),
  );
}

/** Axes of length 1 with which what is said of every row is broadcast over a group's value. */
export function rowBroadcast({ whole: { dims, rowAxis } }: Pooled): number {
  return dims.length - rowAxis - 1;
}

/**
 * Values of every row, such as scales, of each group; undefined where a group has none.
 * @param axes of length 1 that follow that of the rows
 */
export function rowValues(
  b: Builder,
  groups: readonly Pooled[],
  axes: (group: Pooled) => number,
  of: (group: Pooled) => Tensor | undefined,
): (string | undefined)[] {
  const out = new Array<string | undefined>(groups.length).fill(undefined);
  const kinds = new Map<number, { at: number; t: Tensor }[]>();
  groups.forEach((group, at) => {
    const t = of(group);
    if (t) kinds.set(axes(group), [...(kinds.get(axes(group)) ?? []), { at, t }]);
  });
  for (const [ones, found] of kinds) {
    const { dtype } = found[0]!.t;
    const sizes = found.map(({ t }) => t.data.length);
    const data = concatenated(found.map(({ t }) => t.data as Uint8Array));
    const stored = b.initializer('', tensor(dtype, [data.length, ...new Array<number>(ones).fill(1)], data));
    const whole = dtype === 'float' ? stored : b.cast(stored, DATA_TYPES.float);
    b.split(whole, sizes).forEach((name, i) => {
      out[found[i]!.at] = name;
    });
  }
  return out;
}

/** Places of weights that are decoded as one. */
function groupsOf(weights: readonly QuantizedWeight[]): number[][] {
  const alike = new Map<string, number[]>();
  weights.forEach(({ dims, rowAxis, coded }, i) => {
    const others = dims.map((d, axis) => (axis === rowAxis ? 'rows' : d));
    const key = `${others} ${coded.some(({ grid }) => !grid.symmetric)}`;
    alike.set(key, [...(alike.get(key) ?? []), i]);
  });
  const groups = [...alike.values()].flatMap((group) => {
    const mixed = (i: number) => weights[i]!.coded.length > 1;
    if (!group.some(mixed)) return [group];
    const apart = (i: number) => !mixed(i) && weights[i]!.dims[weights[i]!.rowAxis]! > MOST_ROWS;
    return [group.filter((i) => !apart(i)), group.filter(apart)].filter((g) => g.length > 0);
  });
  return groups.flatMap((group) => inChunks(group, (i) => weights[i]!.dims.reduce((n, d) => n * d, 1)));
}

/** The list in parts of at most `MOST_FLOATS` each, or of one. */
function inChunks(list: readonly number[], size: (i: number) => number): number[][] {
  const chunks: number[][] = [];
  let taken = 0;
  for (const i of list) {
    taken += size(i);
    const last = chunks.at(-1);
    if (last && taken <= MOST_FLOATS) last.push(i);
    else {
      chunks.push([i]);
      taken = size(i);
    }
  }
  return chunks;
}

/** Rows that are left out. */
function rowsGone({ coded }: QuantizedWeight): number {
  return coded.reduce((n, { grid }) => n + (grid.bits === 0 ? grid.rows : 0), 0);
}

/**
 * Codes of slices one after the other, those of one width that follow on each other as one.
 * @param reversed whether each slice's rows come last first
 */
function runsOf(slices: Coded, reversed: boolean): { readonly bits: number; readonly codes: Uint8Array }[] {
  const runs: { bits: number; codes: Uint8Array[] }[] = [];
  for (const { grid, codes } of slices) {
    const last = runs.at(-1);
    const own = reversed ? lastFirst(codes as Uint8Array, grid.rows) : (codes as Uint8Array);
    if (last?.bits === grid.bits) last.codes.push(own);
    else runs.push({ bits: grid.bits, codes: [own] });
  }
  return runs.map(({ bits, codes }) => ({ bits, codes: concatenated(codes) }));
}
