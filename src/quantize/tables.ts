import type { Plane } from '../grid/index.ts';
import { DATA_TYPES, tensor } from '../tensor.ts';
import type { Builder } from './builder.ts';

interface Table extends Plane {
  readonly name: string;
  readonly top: boolean;
  readonly float: boolean;
}

/** Of each builder, by what they are. */
const known = new WeakMap<Builder, Map<string, Table>>();

/**
 * Name of an int8 or float [256, 8 / p] table: row v holds the 8 / p fields of p bits in a byte v, low bits first, each times 2^shift;
 * in the top plane of codes in two's complement the highest bit of a field counts as negative. Small tables are stored; others are
 * computed in the model, all at once, by operators every opset from 7 has: they would be up to 2 KB for each plane and shift.
 */
export function planeTable(b: Builder, { p, shift }: Plane, top: boolean, float: boolean): string {
  const tables = known.get(b) ?? new Map<string, Table>();
  if (!known.has(b)) {
    known.set(b, tables);
    b.late(() => writeTables(b, [...tables.values()]));
  }
  const key = `${p} ${shift} ${top} ${float}`;
  const table = tables.get(key) ?? { name: b.fresh(), p, shift, top, float };
  tables.set(key, table);
  return table.name;
}

/** Columns of int8 tables that are stored: as many bytes as it takes to compute them, and nothing to do at load. */
const MOST_STORED = 2;

/** What each of the bits 0..7 of a byte [8] is worth in every column of a table. */
function worthOf({ p, shift, top }: Table): number[][] {
  const bit = (i: number) => (top && i === p - 1 ? -1 : 1) * 2 ** (shift + i);
  return Array.from({ length: 8 }, (_, i) =>
    Array.from({ length: 8 / p }, (_, t) => (Math.floor(i / p) === t ? bit(i % p) : 0)),
  );
}

/**
 * The bits of 0..255 [256, 8] times what each is worth in every column of every table: one product, cut into tables, those of floats
 * first, the others cast to int8 before. Every number here is exact in fp32.
 */
function writeTables(b: Builder, all: readonly Table[]): void {
  const floats = all.filter((t) => t.float);
  const ints = all.filter((t) => !t.float);
  const tables = [...floats, ...ints];
  const widths = tables.map((t) => 8 / t.p);
  const worths = tables.map(worthOf);
  const rows = Array.from({ length: 8 }, (_, i) => worths.flatMap((w) => w[i]!));
  if (floats.length === 0 && sum(widths) <= MOST_STORED) {
    writeStored(b, ints, rows);
    return;
  }
  const worth = b.cast(
    b.initializer('', tensor('int8', [8, sum(widths)], Int8Array.from(rows.flat()))),
    DATA_TYPES.float,
  );
  const rest = sum(widths.slice(floats.length));
  const parts = [...widths.slice(0, floats.length), ...(rest > 0 ? [rest] : [])];
  const names = floats.map((t) => t.name);
  const product = b.node('MatMul', [bitsOf(b), worth], {}, parts.length === 1 ? names[0] : undefined);
  const cut = b.split(product, parts, 1, names);
  if (ints.length === 0) return;
  const whole = b.cast(cut.at(-1)!, DATA_TYPES.int8, ints.length === 1 ? ints[0]!.name : undefined);
  b.split(
    whole,
    widths.slice(floats.length),
    1,
    ints.map((t) => t.name),
  );
}

/** The one table that there is. */
function writeStored(b: Builder, tables: readonly Table[], worth: readonly (readonly number[])[]): void {
  const columns = worth[0]!.length;
  const data = new Int8Array(256 * columns);
  for (let v = 0; v < 256; v++)
    for (let t = 0; t < columns; t++) data[v * columns + t] = sum(worth.map((row, i) => ((v >> i) & 1) * row[t]!));
  for (const { name } of tables) b.add(name, tensor('int8', [256, columns], data));
}

/** floor(v / 2^t) mod 2 as floats [256, 8]. */
function bitsOf(b: Builder): string {
  const bytes = Uint8Array.from({ length: 256 }, (_, v) => v);
  const ramp = b.initializer('', tensor('uint8', [256, 1], bytes));
  if (b.opset >= 11) {
    const by = b.initializer('', tensor('uint8', [8], bytes.slice(0, 8)));
    const shifted = b.node('BitShift', [ramp, by], { direction: { type: 'string', value: 'RIGHT' } });
    const two = b.initializer('', tensor('uint8', [], Uint8Array.of(2)));
    return b.cast(b.node('Mod', [shifted, two]), DATA_TYPES.float);
  }
  const powers = Array.from({ length: 8 }, (_, t) => 2 ** -t);
  const shifted = b.node('Floor', [b.node('Mul', [b.cast(ramp, DATA_TYPES.float), b.floats(powers, [8])])]);
  const above = b.node('Floor', [b.node('Mul', [shifted, b.floats([0.5])])]);
  return b.node('Sub', [shifted, b.node('Mul', [above, b.floats([2])])]);
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
