import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cheapestClosure, type Step } from '../../src/allocate/closure.ts';
import { random } from '../helpers.ts';

const test = suite('allocate/closure');

function randomSteps(seed: number): { steps: Step[]; forced: Map<number, boolean> } {
  const next = random(seed);
  const n = 1 + Math.floor(next() * 9);
  const whole = next() < 0.5;
  const steps = Array.from({ length: n }, (_, i) => ({
    cost: whole ? Math.floor(next() * 9) - 4 : (next() - 0.5) * 10 ** (next() * 6 - 6),
    // Any way round: what needs each other is chosen together.
    needs: Array.from({ length: n }, (_, j) => j).filter((j) => j !== i && next() < 0.2),
  }));
  const forced = new Map<number, boolean>();
  for (let i = 0; i < n; i++) if (next() < 0.1) forced.set(i, next() < 0.5);
  return { steps, forced };
}

function best(steps: readonly Step[], forced: ReadonlyMap<number, boolean>) {
  let least: { cost: number; size: number } | undefined;
  for (let mask = 0; mask < 2 ** steps.length; mask++) {
    const has = (i: number) => (mask >> i) % 2 === 1;
    if (steps.some((s, i) => has(i) && !s.needs.every(has))) continue;
    if ([...forced].some(([i, chosen]) => has(i) !== chosen)) continue;
    const cost = steps.reduce((sum, s, i) => (has(i) ? sum + s.cost : sum), 0);
    const size = steps.filter((_, i) => has(i)).length;
    if (!least || cost < least.cost || (cost === least.cost && size < least.size)) least = { cost, size };
  }
  return least;
}

test('as every set tried finds, with what is forced', () => {
  let contradictions = 0;
  for (let seed = 0; seed < 400; seed++) {
    const { steps, forced } = randomSteps(seed);
    const expected = best(steps, forced);
    const found = cheapestClosure(steps, forced);
    assert.is(found === undefined, expected === undefined, `seed ${seed}`);
    if (!expected || !found) {
      contradictions++;
      continue;
    }
    const scale = steps.reduce((n, s) => n + Math.abs(s.cost), 0);
    assert.ok(Math.abs(found.cost - expected.cost) <= 1e-12 * scale, `seed ${seed}: ${found.cost}, ${expected.cost}`);
    assert.ok(steps.every((s, i) => !found.chosen[i] || s.needs.every((j) => found.chosen[j])));
    if (steps.every((s) => Number.isInteger(s.cost)))
      assert.is(
        found.chosen.reduce((a, b) => a + b, 0),
        expected.size,
        `seed ${seed}: the smallest of equal ones`,
      );
  }
  assert.ok(contradictions > 0);
});

test('a long chain: nothing unless its end pays for all of it', () => {
  const chain = (gain: number): Step[] =>
    Array.from({ length: 2000 }, (_, i) =>
      i < 1999 ? { cost: 1, needs: i > 0 ? [i - 1] : [] } : { cost: -gain, needs: [1998] },
    );
  assert.equal(cheapestClosure(chain(1998.5))!.cost, 0);
  assert.is(cheapestClosure(chain(2000))!.cost, -1);
});

test.run();
