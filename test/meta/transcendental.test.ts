import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { filesUnder, read } from './sources.ts';

/**
 * Functions whose last bit ECMAScript leaves to the engine. `Math.sqrt`, rounding and arithmetic are exact everywhere; a square is a
 * product and a power of two with a whole exponent exact in every engine there is.
 */
const NAMES =
  'exp|expm1|log|log1p|log2|log10|pow|sin|cos|tan|sinh|cosh|tanh|asin|acos|atan|atan2|asinh|acosh|atanh|cbrt|hypot|random|sumPrecise';
const LEFT_TO_THE_ENGINE = new RegExp(
  `\\bMath\\s*(?:\\.\\s*|\\[\\s*['"\`])(?:${NAMES})\\b|\\{[^}]*\\b(?:${NAMES})\\b[^}]*\\}\\s*=\\s*Math\\b`,
);
const POWER = /\*\*=?(?!=|\s*2(?![\d.]))/;

/** Lines where the engine has a say, by file, and why that never shows in a plan or a code. */
const ALLOWED: Readonly<Record<string, { readonly lines: number; readonly reason: string }>> = {
  'src/onnx/write.ts': { lines: 1, reason: 'powers of whole BigInts: exact' },
  'src/ops/grid-sample.ts': { lines: 1, reason: 'a count: a small whole number to a small whole power' },
};

function offending(source: string): string[] {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .split('\n')
    .map((line) => line.replace(/\/\/.*$/, ''))
    .filter((line) => LEFT_TO_THE_ENGINE.test(line) || POWER.test(line.replace(/(?<![\w.)\]])2 \*\* /g, '')));
}

test('plans and codes depend on no function that engines compute differently', () => {
  const sources = filesUnder('src', '.ts');
  assert.ok(sources.length > 100);
  const found = new Map(
    sources.map((file) => [file, offending(read(file))] as const).filter(([, lines]) => lines.length > 0),
  );
  for (const [file, lines] of found)
    assert.ok(
      lines.length <= (ALLOWED[file]?.lines ?? 0),
      `${file}: use src/math.ts or a kernel:\n${lines.join('\n')}`,
    );
  for (const file of Object.keys(ALLOWED)) assert.is(found.get(file)?.length, ALLOWED[file]!.lines, file);
});

test('the scan sees what it looks for', () => {
  for (const line of [
    'const y = Math.exp(x);',
    "Math['tanh'](x)",
    'const { LN2, log } = Math;',
    'x ** 0.5',
    'x ** 3',
    'x ** 20',
    'x **= p',
    '10 ** k',
    'a2 ** k',
    'Math.random()',
  ])
    assert.equal(offending(line), [line]);
  for (const line of [
    'x ** 2',
    '2 ** 31',
    '2 ** k * x ** 2',
    'Math.sqrt(x)',
    'const { LN2 } = Math;',
    '// Math.exp',
    'math.exp(x)',
  ])
    assert.equal(offending(line), [], line);
  assert.equal(offending('/**\n * Math.exp(x) ** 3\n */'), []);
});

test.run();
