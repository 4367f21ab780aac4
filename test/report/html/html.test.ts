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

const picture = {
  description: 'a line',
  height: 120,
  option: {
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
  },
};

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
  const option = { ...picture.option, xAxis: { type: 'category', data: [HOSTILE, 'b'] } };
  assert.not.match(pageHtml(page({ sections: [{ title: 's', pictures: [{ ...picture, option }] }] })), /<img/);
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

test('pictures are hidden from screen readers, what they show is said, the table stands behind them', () => {
  const table = { columns: ['a', 'b'], rows: [['1', undefined]] };
  const html = pageHtml(page({ sections: [{ title: 'Speed', pictures: [picture], table }] }));
  assert.match(html, /<svg aria-hidden="true"/);
  assert.match(html, /<figcaption>.*a line.*<\/figcaption>/);
  assert.match(html, /<details><summary>.*Speed<\/summary><div class="scroll" tabindex="0" role="region"/);
  assert.match(html, /<th scope="row">1<\/th><td>-<\/td>/);
});

test('the same page gives the same bytes, pictures share no names', () => {
  const two = page({ sections: [{ title: 's', pictures: [picture, picture] }] });
  assert.is(pageHtml(two), pageHtml(two));
  assert.not.match(pageHtml(two), /zr\d+-|class="zr/);
  const ids = [...pageHtml(two).matchAll(/ id="([^"]+)"/g)].map((m) => m[1]);
  assert.is(new Set(ids).size, ids.length);
});

test.run();
