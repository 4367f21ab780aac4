import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readModelFile } from '../../src/node.ts';
import { tensor } from '../../src/tensor.ts';
import { normals, random } from '../helpers.ts';
import { externalModel } from '../onnx/external.ts';
import { runIn } from '../quantize/run.ts';
import { makePlace, npz, type Place } from './command.ts';

const test = suite<{ place: Place }>('e2e/external data');
const SIZE = 64;

test.before.each((context) => {
  context.place = makePlace();
  const { dir } = context.place;
  mkdirSync(join(dir, 'in'));
  writeFileSync(join(dir, 'in', 'm.onnx'), externalModel(3, SIZE, 'm.data'));
  const weights = normals(3 * SIZE * SIZE, random(4), 0.2);
  writeFileSync(join(dir, 'in', 'm.data'), new Uint8Array(weights.buffer));
  writeFileSync(join(dir, 'calib.npz'), npz([['x', tensor('float', [16, SIZE], normals(16 * SIZE, random(5)))]]));
});
test.after.each(({ place }) => place.remove());

test('a model with external data is inspected, quantized with and without data, and the result stands alone', async ({
  place,
}) => {
  const inspected = await place.kappa('inspect', 'in/m.onnx', '--json');
  assert.is(inspected.code, 0, inspected.stderr);
  assert.is(JSON.parse(inspected.stdout).weights.length, 3);
  for (const data of [[], ['--calib', 'calib.npz']]) {
    const made = await place.kappa(
      'quantize',
      'in/m.onnx',
      '--bits',
      '6',
      '-o',
      'small.onnx',
      '--force',
      '--json',
      ...data,
    );
    assert.is(made.code, 0, made.stderr);
    assert.ok(JSON.parse(made.stdout).output.ratio > 3, 'the ratio counts the data beside the model');
    const model = await readModelFile(join(place.dir, 'small.onnx'));
    assert.ok(model.graph.initializers.every((t) => t.external === undefined));
    const x = tensor('float', [2, SIZE], normals(2 * SIZE, random(6)));
    const out = await runIn('node', new Uint8Array(readFileSync(join(place.dir, 'small.onnx'))), { x });
    assert.ok(out.y!.every(Number.isFinite));
  }
  assert.equal(
    place.files().filter((f) => f.endsWith('.data')),
    ['in/m.data'],
  );
});

test('data that is missing, cut off, or outside the folder', async ({ place }) => {
  const quantize = () => place.kappa('quantize', 'in/m.onnx', '--bits', '6', '-o', 'small.onnx');
  writeFileSync(join(place.dir, 'in', 'm.data'), new Uint8Array(100));
  const short = await quantize();
  assert.is(short.code, 3);
  assert.match(short.stderr, /'w0'.*'m\.data': expected 16384 bytes at 0, found a file of 100 bytes/);
  renameSync(join(place.dir, 'in', 'm.data'), join(place.dir, 'elsewhere'));
  const missing = await quantize();
  assert.is(missing.code, 3);
  assert.match(missing.stderr, /'m\.data': no such file/);
  symlinkSync(join(place.dir, 'elsewhere'), join(place.dir, 'in', 'm.data'));
  const linked = await quantize();
  assert.is(linked.code, 3);
  assert.match(linked.stderr, /leaves that folder/);
  assert.not.ok(place.files().includes('small.onnx'));
});

test.run();
