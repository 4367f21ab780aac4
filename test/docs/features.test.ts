import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withOperators } from '../../scripts/features.ts';
import { VERSION } from '../../src/version.ts';
import { ROOT } from '../helpers.ts';

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
  const { goals, reports } = JSON.parse(read('bench/results/accuracy.json'));
  assert.is(goals.length, 3);
  for (const { model, kl, goal, uniformPerTensor, met } of goals) {
    assert.ok(readme.includes(`**${kl.toPrecision(2)}**`), `${model}: ${kl} is not in the README`);
    assert.is(met, kl <= goal && kl <= uniformPerTensor / 2);
    assert.ok(met, `${model}: ${kl} against ${goal}`);
  }
  const guided = reports.map(({ points }: { points: { budget: number; kind: string; damage: number }[] }) =>
    (1e3 * points.find((p) => p.budget === 3.1 && p.kind === 'guided')!.damage).toPrecision(2),
  );
  assert.ok(readme.includes(`**${guided.join(', ')}**`), `${guided} at 3.1 bits is not in the README`);
});

test.run();
