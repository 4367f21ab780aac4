import type { Plane } from '../grid/index.ts';
import { DATA_TYPES, tensor } from '../tensor.ts';
import type { Builder } from './builder.ts';

interface Table extends Plane {
  readonly name: string;
  readonly offset: number;
  readonly float: boolean;
}

/** Of each builder, by what they are. */
const known = new WeakMap<Builder, Map<string, Table>>();

/**
 * Name of an int8 or float [256, 8 / p] table: row v holds the 8 / p fields of p bits in a byte v, low bits first, each times
 * 2^shift plus `offset`. All tables of a model are computed in it at once, by operators every opset from 7 has: stored they would be up
 * to 2 KB for each plane, shift and offset.
 */
export function planeTable(b: Builder, { p, shift }: Plane, offset: number, float: boolean): string {
  const tables = known.get(b) ?? new Map<string, Table>();
  if (!known.has(b)) {
    known.set(b, tables);
    b.late(() => writeTables(b, [...tables.values()]));
  }
  const key = `${p} ${shift} ${offset} ${float}`;
  const table = tables.get(key) ?? { name: b.fresh(), p, shift, offset, float };
  tables.set(key, table);
  return table.name;
}

/**
 * The bits of 0..255 [256, 8] times what each is worth in every column of every table, plus the columns' offsets: one product, cut into
 * tables, those of floats first, the others cast to int8 before. Every number here is exact in fp32.
 */
function writeTables(b: Builder, all: readonly Table[]): void {
  const floats = all.filter((t) => t.float);
  const ints = all.filter((t) => !t.float);
  const tables = [...floats, ...ints];
  const widths = tables.map((t) => 8 / t.p);
  const columns = sum(widths);
  const worth = new Int8Array(8 * columns);
  const offsets = new Int8Array(columns);
  let column = 0;
  for (const { p, shift, offset } of tables)
    for (let t = 0; t < 8 / p; t++, column++) {
      for (let i = 0; i < p; i++) worth[(p * t + i) * columns + column] = 2 ** (shift + i);
      offsets[column] = offset;
    }
  const constant = (name: string, dims: readonly number[], values: Int8Array) =>
    b.cast(b.initializer(name, tensor('int8', dims, values)), DATA_TYPES.float);
  const rows = [bitsOf(b), constant('kq_worth', [8, columns], worth), constant('kq_offsets', [1, columns], offsets)];
  const rest = sum(widths.slice(floats.length));
  const parts = [...widths.slice(0, floats.length), ...(rest > 0 ? [rest] : [])];
  const names = floats.map((t) => t.name);
  const product = b.node('Gemm', rows, {}, parts.length === 1 ? names[0] : undefined);
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

/** floor(v / 2^t) mod 2 as floats [256, 8]. */
function bitsOf(b: Builder): string {
  const bytes = Uint8Array.from({ length: 256 }, (_, v) => v);
  const ramp = b.cast(b.initializer('kq_bytes', tensor('uint8', [256, 1], bytes)), DATA_TYPES.float);
  const powers = Array.from({ length: 8 }, (_, t) => 2 ** -t);
  const shifted = b.node('Floor', [b.node('Mul', [ramp, b.floats(powers, [8])])]);
  const above = b.node('Floor', [b.node('Mul', [shifted, b.floats([0.5])])]);
  return b.node('Sub', [shifted, b.node('Mul', [above, b.floats([2])])]);
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
