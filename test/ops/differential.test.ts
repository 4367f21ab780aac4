import { test } from 'uvu';
import type { Family } from './differential/draw.ts';
import { binaries, unaries } from './differential/elementwise.ts';
import { compareFamily } from './differential/harness.ts';
import { learned } from './differential/learned.ts';
import { microsoft } from './differential/microsoft.ts';
import { picking } from './differential/picking.ts';
import { rows } from './differential/rows.ts';
import { shapes } from './differential/shapes.ts';
import { signals } from './differential/signals.ts';
import { spatial } from './differential/spatial.ts';

/** Random nodes of every operator that onnxruntime has too; see differential/harness.ts for longer runs. */

const FAMILIES: readonly [string, Family, number][] = [
  ['functions of one element', unaries, 4],
  ['functions of several elements', binaries, 6],
  ['rows and axes', rows, 6],
  ['shapes', shapes, 6],
  ['indices', picking, 6],
  ['windows', spatial, 6],
  ['learned layers', learned, 6],
  ['images, signals, losses', signals, 6],
  ['com.microsoft', microsoft, 5],
];

for (const [name, family, count] of FAMILIES) test(name, () => compareFamily(family, count));

test.run();
