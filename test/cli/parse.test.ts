import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseList, parseNumber, parseSize, parseWidths, WIDTHS } from '../../src/cli/parse.ts';
import { UsageError } from '../../src/errors.ts';

function refuses(body: () => unknown, message: RegExp): void {
  assert.throws(
    body,
    (error: unknown) => error instanceof UsageError && message.test(error.message) && !error.message.includes('\n'),
  );
}

test('sizes', () => {
  const cases: [string, number][] = [
    ['1200000', 1_200_000],
    ['1.2MB', 1_200_000],
    ['1.1 MB', 1_100_000],
    ['900kB', 900_000],
    ['900KB', 900_000],
    ['4GiB', 4 * 2 ** 30],
    ['.5MiB', 2 ** 19],
    ['12B', 12],
    ['3k', 3000],
  ];
  for (const [text, bytes] of cases) assert.is(parseSize(text), bytes, text);
});

test('sizes that are none', () => {
  for (const text of [
    '',
    'MB',
    '-1MB',
    '1.2.3MB',
    '1e6',
    '0',
    '0.1B',
    'NaN',
    'Infinity',
    '1XB',
    '1 M B',
    '99999999GB',
    '1MB\n2',
  ])
    refuses(() => parseSize(text, '--budget'), /^--budget: expected a size/);
});

test('property: any whole number of bytes is itself', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (n) => {
      assert.is(
        parseSize(String(n + 1 > Number.MAX_SAFE_INTEGER ? n : n + 1)),
        n + 1 > Number.MAX_SAFE_INTEGER ? n : n + 1,
      );
    }),
    { seed: 3 },
  );
});

test('numbers within a range', () => {
  assert.is(parseNumber('4.5', '--bits', { min: 1, max: 16 }), 4.5);
  assert.is(parseNumber('1e-3', '--rtol'), 0.001);
  assert.is(parseNumber('-2', '--x'), -2);
  assert.is(parseNumber('7', '--seed', { integer: true }), 7);
  refuses(() => parseNumber('17', '--bits', { min: 1, max: 16 }), /^--bits: expected a number from 1 to 16, got '17'$/);
  refuses(
    () => parseNumber('0', '--samples', { min: 1, integer: true }),
    /^--samples: expected a whole number >= 1, got '0'$/,
  );
  for (const text of ['', ' ', 'x', '1,5', '0x10', 'Infinity', 'NaN', '1e999', '1_000', '--1'])
    refuses(() => parseNumber(text, '--x'), /^--x: expected a number, got/);
  refuses(() => parseNumber('1.5', '--seed', { integer: true }), /whole number/);
});

test('lists', () => {
  assert.equal(parseList('a, b,a', '--exclude'), ['a', 'b']);
  refuses(() => parseList('a,,b', '--exclude'), /^--exclude: expected names between commas, got 'a,,b'$/);
  refuses(() => parseList('', '--exclude'), /--exclude/);
});

test('widths', () => {
  assert.equal(parseWidths('2-8'), [2, 3, 4, 5, 6, 7, 8]);
  assert.equal(parseWidths('2:4'), [2, 3, 4]);
  assert.equal(parseWidths('8,2,4,4'), [2, 4, 8]);
  assert.equal(parseWidths('2-3, 8'), [2, 3, 8]);
  assert.equal(parseWidths('7-16'), [7, 8, 16]);
  assert.equal(parseWidths('16'), [16]);
  assert.equal(parseWidths('hardware'), [4, 8, 16]);
});

test('widths that are none', () => {
  for (const text of ['', '1', '9', '32', '8-2', '2-9', '1-8', '2,', '2-', '-8', '2.5', 'all', '2-4-8', '004'])
    refuses(() => parseWidths(text), /^--widths: expected 'hardware', a range/);
});

test('property: widths come out ascending, each once, and read back as themselves', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...WIDTHS), { minLength: 1, maxLength: 12 }), (list) => {
      const want = WIDTHS.filter((width) => list.includes(width));
      assert.equal(parseWidths(list.join(',')), want);
    }),
    { seed: 4 },
  );
});

test('what a user typed cannot command the terminal', () => {
  refuses(() => parseSize('1\u001b[2J', '--budget'), /got '1\ufffd\[2J'$/);
});

test.run();
