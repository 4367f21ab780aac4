import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makePlace, network, npz, type Place, samples } from './command.ts';

const test = suite<{ place: Place }>('e2e/pages');

test.before.each((context) => {
  context.place = makePlace();
  context.place.write('net.onnx', network());
  context.place.write('calib.npz', npz(samples(64)));
});
test.after.each(({ place }) => place.remove());

const dataOf = (place: Place, name: string) => {
  const html = readFileSync(join(place.dir, name), 'utf8');
  assert.match(html, /^<!doctype html>/);
  return JSON.parse(/<script type="application\/json" id="data">(.*)<\/script>/s.exec(html)![1]!);
};

test('quantize, analyze and sweep write a page with the report that --json prints', async ({ place }) => {
  const data = ['--calib', 'calib.npz'];
  const jobs: readonly string[][] = [
    ['quantize', 'net.onnx', ...data, '--bits', '5', '-o', 'a b.onnx'],
    ['analyze', 'net.onnx', ...data],
    ['sweep', 'net.onnx', ...data, '--eval', 'calib.npz', '--bits', '4'],
  ];
  for (const job of jobs) {
    const { code, stdout, stderr } = await place.kappa(...job, '--report', `${job[0]}.html`, '--json', '--quiet');
    assert.equal([code, stderr], [0, ''], job[0]);
    const shown = dataOf(place, `${job[0]}.html`);
    assert.equal(shown, JSON.parse(stdout));
    assert.is(shown.pictures !== undefined, job[0] === 'quantize');
    const { command, versions, files } = shown.made;
    assert.ok(command.startsWith(`kappa ${job[0]} net.onnx --calib calib.npz`), command);
    assert.is(versions.node, process.versions.node);
    const names: Record<string, string> = { 'written file': 'a b.onnx', model: 'net.onnx' };
    assert.ok(files.length >= 2);
    for (const { role, name, bytes, sha256 } of files) {
      assert.is(name, names[role] ?? 'calib.npz');
      const own = readFileSync(join(place.dir, name));
      assert.equal([bytes, sha256], [own.length, createHash('sha256').update(own).digest('hex')]);
    }
  }
  assert.match(
    readFileSync(join(place.dir, 'quantize.html'), 'utf8'),
    /kappa quantize net\.onnx .*-o &#39;a b\.onnx&#39;/,
  );
});

test('a page that exists is not replaced without --force, and nothing is measured before that is known', async ({
  place,
}) => {
  place.write('page.html', 'mine');
  const job = ['quantize', 'net.onnx', '--bits', '5', '-o', 'out.onnx', '--report', 'page.html'];
  const { code, stderr } = await place.kappa(...job);
  assert.is(code, 2);
  assert.match(stderr, /page\.html/);
  assert.is(readFileSync(join(place.dir, 'page.html'), 'utf8'), 'mine');
  assert.not(existsSync(join(place.dir, 'out.onnx')));
  assert.is((await place.kappa(...job, '--force')).code, 0);
  assert.not.match(readFileSync(join(place.dir, 'page.html'), 'utf8'), /^mine/);
});

test('a folder of data has one checksum, of what is in it; without a page there is none of it', async ({ place }) => {
  mkdirSync(join(place.dir, 'data'));
  place.write('data/a.npz', npz(samples(48)));
  place.write('data/b.npz', npz(samples(48, undefined, undefined, 5)));
  const job = ['analyze', 'net.onnx', '--calib', 'data', '--json', '--quiet'];
  const { stdout } = await place.kappa(...job, '--report', 'page.html');
  const [, data] = JSON.parse(stdout).made.files;
  const parts = ['a.npz', 'b.npz'].map((name) => readFileSync(join(place.dir, 'data', name)));
  const list = parts.map((b, i) => `${createHash('sha256').update(b).digest('hex')}  ${'ab'[i]}.npz\n`).join('');
  assert.equal(data, {
    role: 'calibration data',
    name: 'data/',
    bytes: parts[0]!.length + parts[1]!.length,
    sha256: createHash('sha256').update(list).digest('hex'),
  });
  assert.is(JSON.parse((await place.kappa(...job)).stdout).made, undefined);
});

test.run();
