import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { axis, intervals, plot, shortened, svgOf, textWidth, uprights } from '../../../src/report/html/svg.ts';

test('a picture is SVG of the size asked for, in the colours of the page', () => {
  const svg = svgOf(
    {
      xAxis: axis('value', 'x'),
      yAxis: axis('log', 'y'),
      series: [
        {
          type: 'line',
          data: [
            [1, 1e-6],
            [2, 100],
          ],
        },
      ],
    },
    300,
    200,
    'here',
  );
  assert.match(svg, /^<svg width="300" height="200"/);
  assert.match(svg, /stroke="var\(--c0\)"/);
  assert.match(svg, />1e-\d</);
});

test('an interval ends above zero and is left out where there is none', () => {
  const point = (half: number | null) => ({ x: 3, y: 2, half });
  assert.equal(intervals([point(null), point(0)], 'red'), []);
  const data = (half: number) => (intervals([point(half)], 'red')[0] as { data: number[][] }).data;
  assert.equal(data(0.5), [
    [3, 1.5],
    [3, 2.5],
  ]);
  assert.equal(data(5), [
    [3, 0.02],
    [3, 7],
  ]);
});

const bars = (names: readonly string[], legend: readonly string[] = []) =>
  plot({
    height: 200,
    x: names,
    y: axis('value', 'y'),
    legend,
    series: legend.map((name) => ({ name, type: 'bar', data: names.map((_, i) => i) })),
  });

/** Texts of an SVG, with where they stand. */
function texts(svg: string): { text: string; x: number; y: number }[] {
  return [...svg.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g)].map(([, attributes, text]) => {
    const moved = /translate\(([-\d.]+) ([-\d.]+)\)/.exec(attributes!);
    const matrix = /matrix\([-\d.e]+,[-\d.e]+,[-\d.e]+,[-\d.e]+,([-\d.]+),([-\d.]+)\)/.exec(attributes!);
    const at = moved ?? matrix;
    const [, x = '', y = ''] = at ?? [];
    return { text: text!, x: Number(x), y: Number(y) };
  });
}

test('names of many layers do not collide: only as many stand there as there is room for', () => {
  const names = Array.from({ length: 150 }, (_, i) => `block${i}/attention/query`);
  for (const width of [380, 1000]) {
    const { option, height } = bars(names)(width);
    const labels = texts(svgOf(option, width, height, 'a')).filter((t) => t.text.startsWith('block'));
    assert.ok(labels.length > 10 && labels.length < 150, `${labels.length} labels`);
    const places = labels.map((l) => l.x).sort((a, b) => a - b);
    for (const [i, x] of places.entries()) if (i > 0) assert.ok(x - places[i - 1]! > 12, `${x - places[i - 1]!} apart`);
  }
});

test('few short names lie flat, long ones are shortened in their middle and get the room they need', () => {
  const flat = bars(['a', 'b'])(1000);
  const turned = bars(Array.from({ length: 30 }, (_, i) => `a/very/long/name/of/a/layer/${i}`))(1000);
  assert.ok(turned.height > flat.height + 50);
  assert.is(shortened('short'), 'short');
  assert.is(shortened('abcdefghijklmnopqrstuvwxyz', 10).length, 10);
  assert.match(shortened('first/layer/of/many/weight', 12), /^fir….*weight$/);
});

test('a legend has the lines it needs, and its entries do not overlap', () => {
  const legend = ['one of the long names', 'another of the long names', 'a third of them', 'and a last one'];
  const narrow = bars(['a', 'b'], legend)(380);
  const wide = bars(['a', 'b'], legend)(1000);
  assert.ok(narrow.height > wide.height);
  for (const [{ option, height }, width] of [
    [narrow, 380],
    [wide, 1000],
  ] as const) {
    const entries = texts(svgOf(option, width, height, 'a')).filter((t) => legend.includes(t.text));
    assert.is(entries.length, legend.length);
    for (const a of entries)
      for (const b of entries)
        if (a !== b && Math.abs(a.y - b.y) < 8 && a.x <= b.x)
          assert.ok(a.x + textWidth(a.text) <= b.x, `${a.text}, ${b.text}`);
    for (const { text, x } of entries) assert.ok(x + textWidth(text) <= width, text);
  }
});

test('the lines of a grid are one path', () => {
  const option = { xAxis: axis('value', ''), yAxis: axis('value', ''), series: [uprights([1, 2, 3], 5, 'red', 1)] };
  const paths = svgOf(option, 300, 200, 'a').match(/<path [^>]*stroke="red"[^>]*>/g)!;
  assert.is(paths.length, 1);
  assert.is(paths[0]!.match(/M/g)!.length, 3);
});

test.run();
