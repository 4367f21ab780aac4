import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KappaError } from '../../src/errors.ts';
import { runHere } from './compare.ts';
import { Draw, type Family } from './differential/draw.ts';
import { binaries, unaries } from './differential/elementwise.ts';
import { learned } from './differential/learned.ts';
import { microsoft } from './differential/microsoft.ts';
import { picking } from './differential/picking.ts';
import { rows } from './differential/rows.ts';
import { shapes } from './differential/shapes.ts';
import { signals } from './differential/signals.ts';
import { spatial } from './differential/spatial.ts';
import { spoiler } from './spoil.ts';

/** Random nodes of every operator with one thing or two about them made wrong: refused with a reason, or run; nothing is left behind. */

/** Tries an operator; HOSTILE multiplies it, HOSTILE_ALL=1 goes on after a failure. */
const TRIES = 12 * Number(process.env.HOSTILE ?? 1);
const ALL = process.env.HOSTILE_ALL === '1';

function spoil(family: Family): void {
  for (const [name, generate] of Object.entries(family)) {
    const d = new Draw(17);
    for (let i = 0; i < TRIES; i++) {
      const sample = generate(d);
      const op = sample.op ?? name.replace(/_.*/, '');
      const { inputs, attributes } = spoiler(i)(sample);
      const start = performance.now();
      try {
        runHere(op, inputs, attributes, sample.c ?? {});
      } catch (error) {
        const told = error instanceof KappaError && !error.message.includes('\n');
        if (!told && !ALL) assert.unreachable(`${op}, try ${i}: ${(error as Error).stack}`);
        if (!told) console.log(`${op}, try ${i}: ${(error as Error).stack?.split('\n').slice(0, 4).join('\n')}`);
      }
      if (ALL && performance.now() - start > 500) console.log(`${op}, try ${i}: ${performance.now() - start} ms`);
    }
  }
}

const FAMILIES: readonly [string, Family][] = [
  ['functions of one element', unaries],
  ['functions of several elements', binaries],
  ['rows and axes', rows],
  ['shapes', shapes],
  ['indices', picking],
  ['windows', spatial],
  ['learned layers', learned],
  ['images, signals, losses', signals],
  ['com.microsoft', microsoft],
];

for (const [name, family] of FAMILIES) test(name, () => spoil(family));

test.run();
