import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tellsApart } from '../../src/jobs/judge.ts';

test('few samples tell plans apart only where damages differ by more than their mean is known to', () => {
  assert.ok(tellsApart(0.5, 1, 4));
  assert.not.ok(tellsApart(0.51, 1, 4));
  assert.ok(tellsApart(0.89, 1, 100));
  assert.not.ok(tellsApart(0.91, 1, 100));
  assert.not.ok(tellsApart(0.1, 1, 1));
  // Nothing is less than no damage, but no damage is no worse.
  assert.ok(tellsApart(0, 0, 10));
});

test.run();
