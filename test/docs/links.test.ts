import { existsSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../helpers.ts';
import { projectFiles, read } from '../meta/sources.ts';

const test = suite('docs/links');
const PAGES = projectFiles().filter((name) => name.endsWith('.md'));

/** What a heading can be reached by, as repository pages have it. */
function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  const body = markdown.replace(/^(```+|~~~+)[\s\S]*?^\1/gm, '');
  for (const [, heading] of body.matchAll(/^#{1,6} (.+)$/gm)) {
    const slug = heading!
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-');
    let name = slug;
    for (let n = 1; anchors.has(name); n++) name = `${slug}-${n}`;
    anchors.add(name);
  }
  for (const [, name] of body.matchAll(/<a id="([^"]+)">/g)) anchors.add(name!);
  return anchors;
}

test('every link of every page leads somewhere', () => {
  const known = new Map<string, Set<string>>();
  const wrong: string[] = [];
  let count = 0;
  for (const page of PAGES) {
    const text = read(page).replace(/^(```+|~~~+)[\s\S]*?^\1/gm, '');
    for (const [, address] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(address!)) continue;
      count++;
      const [path, anchor] = address!.split('#') as [string, string?];
      const target = path === '' ? page : posix.normalize(posix.join(posix.dirname(page), path));
      if (target.startsWith('..') || !existsSync(join(ROOT, target))) {
        wrong.push(`${page}: ${address}`);
        continue;
      }
      if (anchor === undefined || statSync(join(ROOT, target)).isDirectory()) continue;
      if (!known.has(target)) known.set(target, anchorsOf(read(target)));
      if (!known.get(target)!.has(anchor)) wrong.push(`${page}: ${address}: no such heading`);
    }
  }
  assert.equal(wrong, []);
  assert.ok(count > 100);
});

test('headings become anchors', () => {
  const text = '# A `b` c\n## Theorem 3.4, composition\n## A b c\n```\n# no\n```\n## [x](y) _z_\n';
  assert.equal([...anchorsOf(text)], ['a-b-c', 'theorem-34-composition', 'a-b-c-1', 'x-_z_']);
});

test.run();
