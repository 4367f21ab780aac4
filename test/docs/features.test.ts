import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withOperators } from '../../scripts/features.ts';
import { VERSION } from '../../src/version.ts';
import { ROOT } from '../helpers.ts';

interface Results {
  readonly goals: readonly {
    readonly model: string;
    readonly budget: number;
    readonly kl: number;
    readonly goal: number;
    readonly share: number;
    readonly shareGoal: number | null;
    readonly met: boolean;
  }[];
  readonly tuned: readonly {
    readonly bits: number;
    readonly kl: number;
    readonly goal: number;
    readonly met: boolean;
  }[];
}

const test = suite('docs/features');
const read = (name: string) => readFileSync(join(ROOT, name), 'utf8');

test('FEATURES.md lists the operators the executor runs', () => {
  const text = read('FEATURES.md');
  assert.is(text, withOperators(text), 'run `node --import tsx scripts/features.ts`');
});

test('a FEATURES.md without its markers is refused', () => {
  assert.throws(() => withOperators('# nothing'), /markers/);
});

test('the version is the same everywhere', () => {
  assert.is(JSON.parse(read('package.json')).version, VERSION);
  assert.match(read('CHANGELOG.md'), new RegExp(`^## ${VERSION.replaceAll('.', '\\.')}`, 'm'));
});

test('every file and command the README names is there', () => {
  const readme = read('README.md');
  const scripts = Object.keys(JSON.parse(read('package.json')).scripts);
  for (const [, name] of readme.matchAll(/npm run ([\w:]+)/g)) assert.ok(scripts.includes(name!), `npm run ${name}`);
  for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) assert.ok(read(path!).length > 0, path);
});

test('the README shows the figures of the last accuracy run, and the run met its goals', () => {
  const readme = read('README.md');
  const { goals, tuned } = JSON.parse(read('bench/results/accuracy.json')) as Results;
  assert.is(goals.length, 15);
  for (const { model, budget, kl, goal, share, shareGoal, met } of goals) {
    const shown = budget === 3 || budget === 4;
    assert.ok(
      !shown || readme.includes(`**${kl.toPrecision(2)}**`),
      `${model}, ${budget} bits: ${kl} is not in the README`,
    );
    assert.is(met, kl <= goal);
    assert.ok(met, `${model}, ${budget} bits: ${kl} against ${goal}`);
    assert.ok(
      shareGoal === null || share <= shareGoal,
      `${model}, ${budget} bits: ${share} of uniform against ${shareGoal}`,
    );
  }
  for (const { bits, kl, goal, met } of tuned) {
    assert.is(met, kl <= goal);
    assert.ok(met, `tuned at ${bits} bits: ${kl} against ${goal}`);
  }
});

test.run();
