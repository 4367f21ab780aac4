import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { matching, parseExclusions, parsePins, parseTies } from '../../src/cli/patterns.ts';
import { UsageError } from '../../src/errors.ts';

const layers = ['embed', 'layers.0.q', 'layers.0.k', 'layers.1.q', 'layers.1.k', 'head', 'odd*name'].map((name) => ({
  name,
  weight: `${name}.weight`,
}));

function refused(body: () => unknown, message: RegExp): void {
  assert.throws(body, (error: unknown) => {
    assert.instance(error, UsageError);
    assert.match((error as Error).message, message);
    return true;
  });
}

test('a name, a weight, a pattern', () => {
  assert.equal(matching(layers, 'head', '--pin'), ['head']);
  assert.equal(matching(layers, 'head.weight', '--pin'), ['head']);
  assert.equal(matching(layers, 'layers.*.q', '--pin'), ['layers.0.q', 'layers.1.q']);
  assert.equal(matching(layers, 'layers.?.k', '--pin'), ['layers.0.k', 'layers.1.k']);
  assert.equal(matching(layers, '*', '--pin').length, layers.length);
  assert.equal(matching(layers, '*.0.*', '--pin'), ['layers.0.q', 'layers.0.k']);
  // a name that holds a star is that layer before it is a pattern
  assert.equal(matching(layers, 'odd*name', '--pin'), ['odd*name']);
});

test('a point is a point, and what matches nothing is refused with the names there are', () => {
  refused(
    () => matching(layers, 'layers?0?', '--exclude'),
    /^--exclude: no layer matches 'layers\?0\?'; there are embed, /,
  );
  refused(() => matching(layers, '', '--exclude'), /no layer matches ''/);
  refused(() => matching(layers, 'HEAD', '--exclude'), /no layer matches 'HEAD'/);
  const many = Array.from({ length: 20 }, (_, i) => ({ name: `l${i}`, weight: `w${i}` }));
  refused(() => matching(many, 'x', '--tie'), /\.\.\. \(20: kappa inspect lists them\)$/);
});

test('many stars against a long name end quickly', () => {
  const long = [{ name: 'a'.repeat(5000), weight: 'w' }];
  refused(() => matching(long, `${'*a'.repeat(40)}b`, '--pin'), /no layer matches/);
});

test('pins', () => {
  const pins = parsePins(['layers.*=4', 'layers.1.q=8', 'head=32'], layers);
  assert.equal(
    [...pins],
    [
      ['layers.0.q', 4],
      ['layers.0.k', 4],
      ['layers.1.q', 8],
      ['layers.1.k', 4],
      ['head', 32],
    ],
  );
  for (const text of ['head', '=4', 'head=', 'head=1', 'head=9', 'head=4.0', 'head=0x4', 'head=-4'])
    refused(() => parsePins([text], layers), /^--pin: expected NAME=BITS with bits 2 to 8, 16, or 32/);
});

test('exclusions and ties', () => {
  assert.equal(parseExclusions(['head', 'h*'], layers), ['head']);
  assert.equal(parseTies(['layers.0.q, layers.1.q', '*.k'], layers), [
    ['layers.0.q', 'layers.1.q'],
    ['layers.0.k', 'layers.1.k'],
  ]);
  refused(() => parseTies(['head'], layers), /^--tie: expected two layers or more/);
});

test.run();
