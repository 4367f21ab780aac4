import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { escaped, pageHtml } from '../../../src/report/html/html.ts';
import type { Page } from '../../../src/report/html/page.ts';

const HOSTILE = '</script><img src=x onerror=alert(1)>"\'&\u0007';

const page = (more: Partial<Page> = {}): Page => ({
  title: 'a title',
  figures: [{ value: '9x', name: 'smaller' }],
  text: ['one paragraph'],
  sections: [],
  data: { n: 1 },
  ...more,
});

const option = {
  xAxis: { type: 'value' },
  yAxis: { type: 'value' },
  series: [
    {
      type: 'line',
      data: [
        [0, 1],
        [1, 2],
      ],
    },
  ],
};
const picture = { description: 'a line', draw: () => ({ option, height: 120 }) };

test('text is escaped, control characters do not pass', () => {
  assert.is(escaped('<a & "b">'), '&lt;a &amp; &quot;b&quot;&gt;');
  assert.is(escaped('a\u0007b'), 'a\ufffdb');
});

test('whatever names a model holds, the page has no markup of theirs', () => {
  const html = pageHtml(
    page({
      title: HOSTILE,
      figures: [{ value: HOSTILE, name: HOSTILE }],
      text: [HOSTILE],
      sections: [
        {
          title: HOSTILE,
          text: [HOSTILE],
          items: [{ mark: HOSTILE, text: HOSTILE }],
          code: HOSTILE,
          table: { columns: [HOSTILE], rows: [[HOSTILE]] },
          pictures: [{ ...picture, description: HOSTILE, caption: HOSTILE }],
        },
      ],
      data: { name: HOSTILE },
    }),
  );
  assert.not.match(html, /<img/);
  assert.is(html.match(/<script/g)!.length, 1);
  assert.is(html.match(/<\/script>/g)!.length, 1);
});

test('names inside pictures are escaped too', () => {
  const named = { ...option, xAxis: { type: 'category', data: [HOSTILE, 'b'] } };
  const draw = () => ({ option: named, height: 120 });
  assert.not.match(pageHtml(page({ sections: [{ title: 's', pictures: [{ ...picture, draw }] }] })), /<img/);
});

test('the data can be read back', () => {
  const data = { name: HOSTILE, list: [1, 2.5, null] };
  const html = pageHtml(page({ data }));
  const json = /<script type="application\/json" id="data">(.*)<\/script>/s.exec(html)![1]!;
  assert.equal(JSON.parse(json), data);
});

test('nothing is fetched and nothing runs', () => {
  const html = pageHtml(page({ sections: [{ title: 's', pictures: [picture] }] }));
  assert.match(html, /Content-Security-Policy" content="default-src 'none'/);
  assert.not.match(html.replaceAll('http://www.w3.org/', ''), /https?:|src=|@import|url\((?!#)/);
});

test('a picture is an image with a description, for wide pages and for phones; the table stands behind it', () => {
  const table = { columns: ['a', 'b', 'c'], rows: [['1', undefined, 'because']] };
  const html = pageHtml(page({ sections: [{ title: 'Speed', pictures: [picture], table }] }));
  assert.match(html, /<svg role="img" aria-label="a line" class="wide" width="1000"/);
  assert.match(html, /<svg role="img" aria-label="a line" class="narrow" width="380"/);
  assert.match(html, /<details><summary>.*Speed<\/summary><div class="scroll" tabindex="0" role="region"/);
  assert.match(html, /<caption class="hidden">Speed<\/caption>/);
  assert.match(html, /<th scope="row">1<\/th><td>-<\/td><td class="t">because<\/td>/);
  const half = pageHtml(page({ sections: [{ title: 's', pictures: [{ ...picture, half: true, caption: 'below' }] }] }));
  assert.is(half.match(/<svg /g)!.length, 1);
  assert.match(half, /<figcaption>below<\/figcaption>/);
});

test('numbers stand to the right, with their units; a column with any other text to the left', () => {
  const left = (...cells: (string | undefined)[]) =>
    pageHtml(
      page({ sections: [{ title: 's', table: { columns: ['a', 'b'], rows: cells.map((c) => ['r', c]) } }] }),
    ).includes('<td class="t">');
  assert.not(
    left('1,234', '~1.5e-4', '98.44% ± 0.06%', '2-8, mean 4.1', '5.23 MB', '3.1 ms', '7.5x', undefined, 'float'),
  );
  assert.ok(left('3 bits: 12 bytes less'));
  assert.ok(left('1', 'agrees'));
});

test('headings follow each other without a gap, the contents lead to every section', () => {
  const html = pageHtml(page({ sections: [{ title: 'one' }, { title: 'two' }] }));
  assert.equal(
    [...html.matchAll(/<h(\d)/g)].map((m) => m[1]),
    ['1', '2', '2'],
  );
  for (const [, id] of html.matchAll(/<a href="#(\w+)"/g)) assert.ok(html.includes(`<h2 id="${id}">`), id);
  assert.is(html.match(/<a /g)!.length, 2);
});

test('a figure says how it is known', () => {
  const html = pageHtml(page({ figures: [{ value: '2x', name: 'less', label: 'measured' }] }));
  assert.match(html, /<dt>less <span class="label">\[measured\]<\/span><\/dt><dd>2x<\/dd>/);
});

test('the same page gives the same bytes, pictures share no names', () => {
  const two = page({ sections: [{ title: 's', pictures: [picture, picture] }] });
  assert.is(pageHtml(two), pageHtml(two));
  assert.not.match(pageHtml(two), /zr\d+-|class="zr/);
  const ids = [...pageHtml(two).matchAll(/ id="([^"]+)"/g)].map((m) => m[1]);
  assert.is(new Set(ids).size, ids.length);
});

test.run();
