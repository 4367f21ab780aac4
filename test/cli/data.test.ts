import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openData } from '../../src/cli/data.ts';
import type { Context } from '../../src/cli/context.ts';
import { type ImageFlags, imageFlags, parseImageSize, parsePlanes } from '../../src/cli/flags.ts';
import { writeNpz } from '../../src/data/index.ts';
import { UsageError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { encodePng } from '../data/images/encode.ts';
import { modelOf } from '../data/images/model.ts';
import { failure } from '../random.ts';
import { throws } from '../throws.ts';

const test = suite<{ dir: string; notes: string[]; context: Context }>('data that commands are given');

test.before.each((context) => {
  context.dir = mkdtempSync(join(tmpdir(), 'kappa-cli-data-'));
  context.notes = [];
  context.context = { note: (text: string) => context.notes.push(text) } as unknown as Context;
  mkdirSync(join(context.dir, 'pics'));
  const file = encodePng({ width: 2, height: 1, depth: 8, colour: 0, samples: [10, 20] });
  writeFileSync(join(context.dir, 'pics', 'a.png'), file);
  writeFileSync(join(context.dir, 'a.npz'), writeNpz(new Map([['x', tensor('float', [1, 2], Float32Array.of(1, 2))]])));
});
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }));

/** The flags that a command line has. */
function flagsOf(...args: string[]): ImageFlags {
  return imageFlags(new Command().exitOverride()).parse(args, { from: 'user' }).opts();
}
const model = modelOf(['N', 1, 1, 2]);

test('sizes and numbers a channel', () => {
  assert.equal(parseImageSize('224'), { width: 224, height: 224 });
  assert.equal(parseImageSize(' 320X240 '), { width: 320, height: 240 });
  for (const text of ['', 'x', '3x', '3x4x5', '-3', '3.5', '28by28', '0x3', '99999'])
    throws(() => parseImageSize(text), UsageError, /--image-size: expected/);
  assert.equal(parsePlanes('0.5', '--mean', -1), [0.5]);
  assert.equal(parsePlanes('0.1,0.2, 0.3', '--mean', -1), [0.1, 0.2, 0.3]);
  for (const text of ['', '1,2', '1,2,3,4', 'a', '1,,2', '-2'])
    throws(() => parsePlanes(text, '--std', -1), UsageError, /--std: expected/);
});

test('flags become options', async ({ dir, context, notes }) => {
  const pics = join(dir, 'pics');
  const layout = ['--image-layout', 'nchw'];
  const flags = flagsOf(...layout, '--image-fit', 'stretch', '--image-size', '2x1', '--mean', '0.5', '--std', '0.25');
  const [data, none] = await openData(context, [pics, undefined], model, flags);
  assert.is(data.preprocessing, '2 x 1, stretch, grey, nchw, (values / 255 - 0.5) / 0.25');
  assert.equal(notes, [`${pics}: 1 image: ${data.preprocessing}`]);
  assert.is(none, undefined);
  const [wide] = await openData(
    context,
    [pics],
    model,
    flagsOf(...layout, '--image-range', '255', '--image-crop', '0.5'),
  );
  assert.is(wide.preprocessing, '2 x 1, crop to 0.5 of the shorter side, grey, nchw, values 0..255');
  const colour = modelOf(['N', 3, 1, 2]);
  const [bgr] = await openData(context, [pics], colour, flagsOf('--image-order', 'bgr', '--mean', '1,2,3'));
  assert.is(bgr.preprocessing, '2 x 1, crop, bgr, nchw, values / 255 - [1, 2, 3]');
  for (const args of [
    ['--image-fit', 'squash'],
    ['--image-layout', 'chw'],
    ['--image-order', 'gbr'],
    ['--image-range', '256'],
    ['--image-crop', '0'],
    ['--std', '0'],
  ])
    throws(() => flagsOf(...args), UsageError, /: expected/);
});

test('flags for images have no effect on other data, which is an error', async ({ dir, context, notes }) => {
  const arrays = join(dir, 'a.npz');
  const all: [string, string][] = [
    ['--image-size', '2'],
    ['--image-layout', 'nchw'],
    ['--image-fit', 'crop'],
    ['--image-crop', '1'],
    ['--image-order', 'rgb'],
    ['--image-range', '1'],
    ['--mean', '0'],
    ['--std', '1'],
  ];
  for (const [flag, value] of all) {
    const error = await failure(openData(context, [arrays], model, flagsOf(flag, value)));
    assert.instance(error, UsageError);
    assert.is(error.message, `${flag}: has no effect: none of the data are images`);
  }
  const layout = flagsOf('--image-layout', 'nchw');
  const [first, second] = await openData(context, [arrays, join(dir, 'pics')], model, layout);
  assert.equal([first.preprocessing, second.preprocessing], [undefined, '2 x 1, crop, grey, nchw, values / 255']);
  await openData(context, [arrays], model, flagsOf());
  assert.is(notes.length, 1);
});

test.run();
