import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { axis, intervals, svgOf } from '../../../src/report/html/svg.ts';

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
  assert.match(svg, /^<svg aria-hidden="true" focusable="false" width="300" height="200"/);
  assert.match(svg, /stroke="var\(--c0\)"/);
  assert.match(svg, />1e-5</);
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

test.run();
