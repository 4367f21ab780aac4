import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bitsSvg, FOLDER, frontierSvg, readFigures, readResults } from '../../scripts/pictures.ts';
import { ROOT } from '../helpers.ts';

const MOST = 150_000;
const MOST_TOGETHER = 600_000;
const committed = (name: string) => readFileSync(join(FOLDER, name), 'utf8');
const documents = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs')).flatMap((f) => (f.endsWith('.md') ? [`docs/${f}`] : [])),
];

test('pictures that are drawn from figures are those of the figures that are there: npm run pictures makes them', () => {
  assert.is(committed('frontier.svg'), frontierSvg(readResults()), 'frontier.svg: npm run pictures -- frontier');
  assert.is(committed('resnet-bits.svg'), bitsSvg(readFigures()), 'resnet-bits.svg: npm run pictures -- resnet');
});

test('every picture that a document shows is there and has a description', () => {
  for (const document of documents) {
    const text = readFileSync(join(ROOT, document), 'utf8');
    for (const [all, alt, target] of text.matchAll(/!\[([^\]]*)\]\(([^)\s]+)\)/g)) {
      assert.ok(alt!.length > 20, `${document}: ${all}`);
      const path = join(ROOT, document, '..', target!);
      assert.ok(/^https?:/.test(target!) || existsSync(path), `${document}: ${target}`);
    }
  }
});

test('pictures are small, and stand by themselves', () => {
  const sizes = readdirSync(FOLDER).map((name) => ({ name, size: statSync(join(FOLDER, name)).size }));
  for (const { name, size } of sizes) assert.ok(size < MOST, `${name}: ${size} bytes`);
  assert.ok(sizes.reduce((n, s) => n + s.size, 0) < MOST_TOGETHER);
  for (const { name } of sizes.filter((s) => s.name.endsWith('.svg'))) {
    const svg = committed(name);
    for (const [, colour] of svg.matchAll(/var\((--[\w-]+)\)/g))
      assert.is(svg.match(new RegExp(`${colour}:`, 'g'))?.length, 2, `${name}: ${colour} is not of both themes`);
    assert.match(svg, /^<svg [^>]*><title>[^<]+<\/title>/);
    assert.not.match(svg.replaceAll('http://www.w3.org/', ''), /https?:|<script|NaN|undefined/);
  }
});

test.run();
