import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { byNumber, sortedByNumber } from '../../src/data/order.ts';

test('runs of digits are numbers, all else goes by code unit', () => {
  const names = ['s10', 's2', 'a/10.png', 'a/9.png', 'B', 'a', '', 's2b', 's02', '100', '20'];
  const sorted = ['', '20', '100', 'B', 'a', 'a/9.png', 'a/10.png', 's2', 's02', 's2b', 's10'];
  assert.equal([...names].sort(byNumber), [...sorted].sort(byNumber));
  assert.equal(
    sortedByNumber(names, (n) => n),
    sorted.sort(byNumber),
  );
  assert.ok(byNumber('img9', 'img10') < 0);
  assert.ok(byNumber('img', 'img1') < 0);
  assert.is(byNumber('x1', 'x1'), 0);
  const things = names.map((name) => ({ name }));
  assert.equal(
    sortedByNumber(things, ({ name }) => name).map(({ name }) => name),
    [...names].sort(byNumber),
  );
  assert.equal(
    things.map(({ name }) => name),
    names,
    'what came in stays as it was',
  );
});

test.run();
