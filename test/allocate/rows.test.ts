import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layerBytes, type RowLayer, type RowTable } from '../../src/allocate/row-table.ts';
import { allocateRows } from '../../src/allocate/rows.ts';
import { UsageError } from '../../src/errors.ts';
import { dense } from '../../src/quantize/dense.ts';
import { totalBytes } from '../../src/quantize/format.ts';
import { gridBytes } from '../../src/grid/index.ts';
import { random } from '../helpers.ts';
import { throws } from '../throws.ts';

interface Shape {
  readonly rows: number;
  readonly cols: number;
  readonly widths: readonly number[];
}

/** Damages as they are, 4^-b times a gain that spans orders of magnitude, with noise; `wild`: neither convex nor monotone. */
function rowLayer(name: string, { rows, cols, widths }: Shape, seed: number, wild = false): RowLayer {
  const next = random(seed);
  const damage = new Float64Array(rows * widths.length);
  for (let r = 0; r < rows; r++) {
    const gain = 10 ** (4 * next() - 2) * cols;
    widths.forEach((b, j) => {
      damage[r * widths.length + j] = wild ? (next() < 0.1 ? 0 : gain * next()) : gain * 4 ** -b * (0.7 + 0.6 * next());
    });
  }
  const price = { codes: cols, scales: 2, zeros: 1, order: 3 * Math.ceil(rows / 8) };
  return { name, weight: `${name}.w`, rows, widths, asymmetric: [2, 3, 4], price, damage };
}

const countsOf = (layer: RowLayer, widths: readonly number[]) =>
  layer.widths.map((b) => widths.filter((w) => w === b).length);
const bytesOf = (table: RowTable, widths: readonly (readonly number[])[]) =>
  table.layers.reduce((n, layer, l) => n + layerBytes(layer, countsOf(layer, widths[l]!)), 0);
const damageOf = ({ layers }: RowTable, widths: readonly (readonly number[])[]) =>
  layers.reduce(
    (sum, layer, l) =>
      widths[l]!.reduce((s, b, r) => s + layer.damage[r * layer.widths.length + layer.widths.indexOf(b)]!, sum),
    0,
  );

/** Every choice of a width for every row. */
function* allChoices({ layers }: RowTable): Generator<number[][]> {
  const sizes = layers.flatMap((l) => new Array<number>(l.rows).fill(l.widths.length));
  const total = sizes.reduce((a, b) => a * b, 1);
  for (let n = 0; n < total; n++) {
    let rest = n;
    yield layers.map((l) =>
      Array.from({ length: l.rows }, () => {
        const b = l.widths[rest % l.widths.length]!;
        rest = Math.floor(rest / l.widths.length);
        return b;
      }),
    );
  }
}

test('bytes of a layer are those the dense format writes', () => {
  const next = random(3);
  for (let i = 0; i < 300; i++) {
    const widths = [0, 2, 3, 4, 5, 6, 7, 8].filter(() => next() < 0.6);
    if (!widths.some((b) => b > 0)) continue;
    const rows = 1 + Math.floor(next() * 400);
    const cols = 1 + Math.floor(next() * 40);
    const block = next() < 0.5 ? 'channel' : 1 + Math.floor(next() * 12);
    const blocks = block === 'channel' ? 1 : Math.ceil(cols / Math.min(block, cols));
    const codes = block === 'channel' ? cols : blocks * Math.min(block, cols);
    const asymmetric = [2, 3, 4];
    const price = { codes, scales: 2 * blocks, zeros: blocks, order: 3 * Math.ceil(rows / 8) };
    const counts = widths.map(() => 0);
    for (let r = 0; r < rows; r++) counts[Math.floor(next() * widths.length)]!++;
    if (counts[0] === rows && widths[0] === 0) continue;
    const layer: RowLayer = { name: 'l', weight: 'w', rows, widths, asymmetric, price, damage: new Float64Array(0) };
    const specOf = (bits: number) =>
      ({ bits, granularity: block, symmetric: !asymmetric.includes(bits), scaleType: 'float16' }) as const;
    const parts = widths.flatMap((b, j) => (counts[j] ? [{ rows: counts[j]!, spec: specOf(b) }] : []));
    const written =
      parts.length === 1 ? gridBytes(rows, cols, parts[0]!.spec) : totalBytes(dense.mixedBytes!(cols, parts));
    assert.is(layerBytes(layer, counts), written);
  }
});

test('small tables: near the best of all choices, never over, the bound below it', () => {
  const ratios: number[] = [];
  for (let seed = 0; seed < 24; seed++) {
    const wild = seed % 3 === 2;
    const table: RowTable = {
      layers: [
        rowLayer('a', { rows: 4, cols: 9 + (seed % 20), widths: [2, 3, 5, 8] }, seed, wild),
        rowLayer('b', { rows: 3, cols: 24, widths: [2, 4, 6] }, 100 + seed, wild),
      ],
    };
    const all = [...allChoices(table)].map((widths) => ({
      bytes: bytesOf(table, widths),
      damage: damageOf(table, widths),
    }));
    const sizes = all.map((a) => a.bytes).sort((a, b) => a - b);
    for (const share of [0, 0.1, 0.35, 0.7, 1]) {
      const budget = sizes[Math.floor(share * (sizes.length - 1))]!;
      const best = all.reduce((m, a) => (a.bytes <= budget ? Math.min(m, a.damage) : m), Number.POSITIVE_INFINITY);
      const found = allocateRows(table, budget);
      const what = `seed ${seed}, share ${share}: ${found.damage} against ${best}, bound ${found.lowerBound}`;
      assert.is(found.bytes, bytesOf(table, found.widths), what);
      assert.ok(found.bytes <= budget, what);
      assert.ok(Math.abs(found.damage - damageOf(table, found.widths)) <= 1e-12 * found.damage, what);
      assert.ok(found.lowerBound <= best * (1 + 1e-12), what);
      assert.ok(found.damage >= best * (1 - 1e-12), what);
      if (share === 1) assert.ok(found.damage <= best * (1 + 1e-12), `everything fits: ${what}`);
      if (!wild) ratios.push(found.damage / best);
    }
  }
  const mean = ratios.reduce((a, b) => a + b, 0) / ratios.length;
  assert.ok(mean < 1.05, `mean ratio to the best ${mean}`);
});

test('rows may be left out, but never all of a layer', () => {
  const widths = [0, 2, 4];
  const table: RowTable = {
    layers: [rowLayer('a', { rows: 4, cols: 30, widths }, 1), rowLayer('b', { rows: 5, cols: 40, widths }, 2)],
  };
  const stored = (w: readonly (readonly number[])[]) => w.every((rows) => rows.some((b) => b > 0));
  const all = [...allChoices(table)]
    .filter(stored)
    .map((w) => ({ bytes: bytesOf(table, w), damage: damageOf(table, w) }));
  const least = Math.min(...all.map((a) => a.bytes));
  let leftOut = 0;
  for (let budget = 70; budget < 190; budget += 3) {
    const best = all.reduce((m, a) => (a.bytes <= budget ? Math.min(m, a.damage) : m), Number.POSITIVE_INFINITY);
    let found: ReturnType<typeof allocateRows>;
    try {
      found = allocateRows(table, budget);
    } catch (error) {
      assert.instance(error, UsageError);
      continue;
    }
    assert.ok(stored(found.widths), `${found.widths}`);
    assert.is(found.bytes, bytesOf(table, found.widths));
    assert.ok(found.bytes <= budget && found.bytes >= least);
    assert.ok(found.lowerBound <= best * (1 + 1e-12), `bound ${found.lowerBound} of ${best}`);
    assert.ok(found.damage <= 1.5 * best, `${found.damage} against ${best} at ${budget} bytes`);
    if (found.widths.flat().includes(0)) leftOut++;
  }
  assert.ok(leftOut > 3, `${leftOut} plans left rows out`);
});

test('many rows: the proved gap is small, and rows beat every uniform width at its bytes', () => {
  const table: RowTable = {
    layers: [
      rowLayer('a', { rows: 300, cols: 64, widths: [2, 3, 4, 5, 6, 7, 8] }, 1),
      rowLayer('b', { rows: 128, cols: 300, widths: [2, 3, 4, 5, 6, 7, 8] }, 2),
      rowLayer('c', { rows: 10, cols: 128, widths: [2, 3, 4, 5, 6, 7, 8] }, 3),
    ],
  };
  const uniform = (b: number) => table.layers.map((l) => new Array<number>(l.rows).fill(b));
  for (const b of [3, 4, 6]) {
    const budget = bytesOf(table, uniform(b));
    const found = allocateRows(table, budget);
    assert.ok(found.bytes <= budget && found.bytes > 0.999 * budget, `${found.bytes} of ${budget}`);
    assert.ok(found.damage - found.lowerBound <= 0.01 * found.damage, `${found.damage} ${found.lowerBound}`);
    assert.ok(found.damage < 0.5 * damageOf(table, uniform(b)));
    assert.equal(allocateRows(table, budget), found, 'the same twice');
  }
});

test('pinned layers keep their width, tied ones share one', () => {
  const widths = [2, 3, 4, 5, 6, 8];
  const table: RowTable = {
    layers: [
      rowLayer('q', { rows: 16, cols: 16, widths }, 1),
      rowLayer('k', { rows: 16, cols: 16, widths }, 2),
      rowLayer('v', { rows: 20, cols: 16, widths }, 3),
      rowLayer('pinned', { rows: 12, cols: 16, widths: [6] }, 4),
    ],
    ties: [['q', 'k']],
  };
  const found = allocateRows(table, 640);
  assert.is(new Set([...found.widths[0]!, ...found.widths[1]!]).size, 1);
  assert.equal([...new Set(found.widths[3]!)], [6]);
  assert.ok(new Set(found.widths[2]!).size > 1);
  assert.ok(found.bytes <= 640);
  throws(
    () => allocateRows({ layers: [table.layers[0]!, table.layers[3]!], ties: [['q', 'pinned']] }, 640),
    UsageError,
    /'q' and 'pinned': tied to one width/,
  );
});

test('where nothing is gained a layer keeps one width and no order is stored', () => {
  const widths = [2, 4, 8];
  const same = rowLayer('a', { rows: 40, cols: 8, widths }, 1);
  for (let r = 0; r < 40; r++) widths.forEach((b, j) => (same.damage[r * 3 + j] = 4 ** -b));
  const layer = { ...same, asymmetric: [] };
  const budget = layerBytes(layer, [0, 40, 0]);
  const found = allocateRows({ layers: [layer] }, budget);
  assert.is(found.bytes, budget);
  assert.equal([...new Set(found.widths[0]!)], [4]);
});

test('budgets and tables that cannot be are refused', () => {
  const layer = rowLayer('a', { rows: 4, cols: 9, widths: [2, 3] }, 1);
  const least = layerBytes(layer, [4, 0]);
  assert.is(allocateRows({ layers: [layer] }, least).bytes, least);
  throws(() => allocateRows({ layers: [layer] }, least - 1), UsageError, /below the smallest plan of rows, \d+ bytes/);
  throws(() => allocateRows({ layers: [layer] }, Number.NaN), UsageError, /budget of NaN/);
  throws(() => allocateRows({ layers: [] }, 9), UsageError, /at least one layer/);
  throws(() => allocateRows({ layers: [layer, layer] }, 99), RangeError, /names that differ/);
  throws(() => allocateRows({ layers: [layer], ties: [['x']] }, 99), UsageError, /tie 'x'/);
  const bad = { ...layer, damage: layer.damage.map((d, i) => (i === 3 ? Number.NaN : d)) };
  throws(() => allocateRows({ layers: [bad] }, 99), RangeError, /'a': expected finite damages >= 0, found NaN/);
  throws(() => allocateRows({ layers: [{ ...layer, widths: [3, 2] }] }, 99), RangeError, /ascending widths of 2 to 8/);
  throws(() => allocateRows({ layers: [{ ...layer, widths: [0] }] }, 99), RangeError, /ascending widths of 2 to 8/);
  throws(() => allocateRows({ layers: [{ ...layer, rows: 5 }] }, 99), RangeError, /expected 10 damages, found 8/);
});

test.run();
