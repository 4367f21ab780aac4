/** Curvature of layers in the order of the graph. */
import { formatCount } from '../text.ts';
import type { Picture } from './page.ts';
import { positive } from './shared.ts';
import { axis, plot, SERIES } from './svg.ts';

/** Spectral curvature to the left, loss curvature, where any is known, to the right, both logarithmic. */
export function curvaturePicture(
  layers: readonly {
    readonly name: string;
    readonly spectralCurvature: number;
    readonly lossCurvature: number | null;
  }[],
): Picture {
  const loss = layers.some((l) => positive(l.lossCurvature) !== null);
  const line = (name: string, i: number, symbol: string, values: readonly (number | null)[]) => ({
    name,
    type: 'line',
    symbol,
    symbolSize: layers.length > 100 ? 0 : 6,
    yAxisIndex: i,
    itemStyle: { color: SERIES[i] },
    lineStyle: { color: SERIES[i], type: i === 0 ? 'solid' : 'dashed' },
    data: values.map(positive),
  });
  const spectral = line(
    loss ? 'sigma_max (left)' : 'sigma_max',
    0,
    'circle',
    layers.map((l) => l.spectralCurvature),
  );
  const right = line(
    'loss curvature (right)',
    1,
    'rect',
    layers.map((l) => l.lossCurvature),
  );
  const left = axis('log', 'sigma_max', { nameGap: 46 });
  return {
    description: `sigma_max${loss ? ' and loss curvature' : ''} of ${formatCount(layers.length)} layers, first to last, on ${loss ? 'logarithmic scales' : 'a logarithmic scale'}.`,
    draw: plot({
      height: 260,
      legend: loss ? [spectral.name, right.name] : [],
      x: layers.map((l) => l.name),
      y: loss ? [left, axis('log', 'loss curvature', { nameGap: 46, splitLine: { show: false } })] : left,
      series: loss ? [spectral, right] : [spectral],
    }),
  };
}

/** Bars side by side for every layer, one a column. */
export function bitsPicture(
  description: string,
  layers: readonly { readonly name: string }[],
  columns: readonly { readonly name: string; readonly values: readonly (number | null)[] }[],
): Picture {
  return {
    description,
    draw: plot({
      height: 240,
      legend: columns.map((c) => c.name),
      x: layers.map((l) => l.name),
      y: axis('value', 'bits a weight', { nameGap: 40 }),
      series: columns.map((c, i) => ({
        name: c.name,
        type: 'bar',
        barMaxWidth: 40,
        itemStyle: { color: SERIES[i % SERIES.length] },
        data: [...c.values],
      })),
    }),
  };
}
