import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { throws } from '../throws.ts';
import {
  formatBits,
  formatBytes,
  formatChange,
  formatCount,
  formatNumber,
  formatPercent,
  formatRatio,
  formatScientific,
  formatSeconds,
  formatTable,
  printable,
} from '../../src/report/text.ts';

test('a table: titles, rows, columns two spaces apart, numbers to the right', () => {
  const text = formatTable(
    ['layer', 'bits', { title: 'note' }],
    [
      ['fc1', 4, 'kept'],
      ['a.long.name', 16, undefined],
    ],
  );
  assert.is(text, ['  layer        bits  note', '  fc1             4  kept', '  a.long.name    16  -'].join('\n'));
});

test('a table without rows is its titles; indent is obeyed', () => {
  assert.is(formatTable(['a', 'b'], [], { indent: 0 }), 'a  b');
  throws(() => formatTable(['a'], [], { indent: -1 }), RangeError);
});

test('colours do not move columns', () => {
  const red = (text: string) => `\u001b[31m${text}\u001b[39m`;
  const rows = [
    ['x', 'long'],
    ['yyyyy', 's'],
  ];
  const plain = formatTable(['a', 'b'], rows);
  const coloured = formatTable([{ title: 'a', style: red }, 'b'], rows);
  assert.is.not(coloured, plain);
  assert.is(coloured.replaceAll('\u001b[31m', '').replaceAll('\u001b[39m', ''), plain);
});

test('names from files cannot command the terminal or break lines', () => {
  const evil = 'a\u001b[2J\nb\rc\u202ed';
  assert.is(printable(evil), 'a\ufffd[2J\ufffdb\ufffdc\ufffdd');
  const text = formatTable(['name'], [[evil]]);
  assert.is(text.split('\n').length, 2);
  assert.not.ok(text.includes('\u001b') || text.includes('\r'));
});

test('property: a line a row, every cell in its row, equal starts of a left column', () => {
  const word = fc.stringMatching(/^[a-z]{1,12}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(word, fc.integer(), word), { maxLength: 20 }), (rows) => {
      const lines = formatTable(['one', 'two', 'three'], rows).split('\n');
      assert.is(lines.length, rows.length + 1);
      const last = lines[0]!.indexOf('three');
      for (const [i, row] of rows.entries()) {
        assert.equal(lines[i + 1]!.trim().split(/ {2,}/), [row[0], formatCount(row[1]), row[2]]);
        assert.is(lines[i + 1]!.slice(last), row[2]);
      }
    }),
    { seed: 1 },
  );
});

test('a row of another length is refused', () => {
  assert.throws(() => formatTable(['a', 'b'], [['1']]), /table row 0: expected 2 cells, got 1/);
});

test('bytes', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [512, '512 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [1_234_567, '1.23 MB'],
    [12_345_678, '12.3 MB'],
    [123_456_789, '123 MB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [2 ** 31, '2.15 GB'],
    [Number.NaN, 'NaN'],
  ];
  for (const [bytes, text] of cases) assert.is(formatBytes(bytes), text);
});

test('property: bytes are right to three digits', () => {
  const units: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 };
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      const [value, unit] = formatBytes(bytes).split(' ') as [string, string];
      assert.ok(Math.abs(Number(value) * units[unit]! - bytes) <= 0.00502 * bytes, `${bytes} -> ${value} ${unit}`);
      assert.ok(value.length <= 4);
    }),
    { seed: 2 },
  );
});

test('percentages and changes', () => {
  assert.is(formatPercent(0.97524), '97.52%');
  assert.is(formatPercent(1, 0), '100%');
  assert.is(formatChange(-0.0031), '-0.31%');
  assert.is(formatChange(0.0031), '+0.31%');
  assert.is(formatChange(0), '0.00%');
  assert.is(formatChange(-1e-9), '0.00%');
  assert.is(formatChange(1e-9), '0.00%');
});

test('bits, ratios, counts', () => {
  assert.is(formatBits(4), '4');
  assert.is(formatBits(4.1), '4.10');
  assert.is(formatRatio(7.8123), '7.81x');
  assert.is(formatRatio(1234.4), '1,234x');
  assert.is(formatCount(1234567), '1,234,567');
  assert.is(formatCount(-1234), '-1,234');
  assert.is(formatCount(999), '999');
});

test('numbers', () => {
  assert.is(formatScientific(0.000123456), '1.23e-4');
  assert.is(formatScientific(123456), '1.23e5');
  assert.is(formatNumber(0.5), '0.5000');
  assert.is(formatNumber(0.00012345), '1.234e-4'); // the nearest double lies below 1.2345e-4
  assert.is(formatNumber(12345.67), '12350');
  assert.is(formatNumber(1e7 + 0.5), '1.000e7');
  assert.is(formatNumber(12345), '12,345');
  assert.is(formatNumber(Number.POSITIVE_INFINITY), 'inf');
  assert.is(formatNumber(Number.NaN), 'NaN');
});

test('seconds', () => {
  assert.is(formatSeconds(0.4239), '0.42 s');
  assert.is(formatSeconds(12.34), '12.3 s');
  assert.is(formatSeconds(59.96), '1 min 00 s');
  assert.is(formatSeconds(245), '4 min 05 s');
  assert.is(formatSeconds(3599.6), '1 h 00 min');
  assert.is(formatSeconds(7620), '2 h 07 min');
});

test.run();
