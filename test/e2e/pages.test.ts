import { existsSync, readFileSync } from 'node:fs';
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
    const { pictures, ...report } = dataOf(place, `${job[0]}.html`);
    assert.equal(report, JSON.parse(stdout));
    assert.is(pictures !== undefined, job[0] === 'quantize');
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

test.run();
