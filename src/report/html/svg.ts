/** Pictures without a DOM: Apache ECharts renders them to SVG text. */
import { BarChart, HeatmapChart, LineChart, ScatterChart } from 'echarts/charts';
import {
  DataZoomComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  VisualMapComponent,
} from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([
  BarChart,
  LineChart,
  ScatterChart,
  HeatmapChart,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  VisualMapComponent,
  DataZoomComponent,
  SVGRenderer,
]);

/** Colours are names of the page's style, so that one picture serves light and dark. */
export const INK = 'var(--ink)';
export const LINE = 'var(--line)';
export const SERIES = ['var(--c0)', 'var(--c1)', 'var(--c2)', 'var(--c3)', 'var(--c4)', 'var(--c5)'] as const;

const TEXT = { color: INK, fontFamily: 'inherit', fontSize: 12 };

function powerOfTen(value: number): string {
  return value >= 0.01 && value < 10_000 ? String(value) : value.toExponential(0);
}

/** An axis in the page's colours. */
export function axis(type: 'value' | 'log' | 'category', name: string, more: object = {}): object {
  return {
    type,
    name,
    nameLocation: 'middle',
    nameTextStyle: TEXT,
    axisLabel: type === 'log' ? { ...TEXT, formatter: powerOfTen } : TEXT,
    axisLine: { show: true, lineStyle: { color: LINE } },
    axisTick: { lineStyle: { color: LINE } },
    splitLine: { show: type !== 'category', lineStyle: { color: LINE, opacity: 0.5 } },
    ...more,
  };
}

/**
 * SVG text of a picture, the same for the same option. What only serves a pointer over it is left out.
 * @param id told apart from every other picture of the page: names inside the SVG begin with it
 */
export function svgOf(option: EChartsCoreOption, width: number, height: number, id: string): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, textStyle: TEXT, color: [...SERIES], ...option });
    const text = chart.renderToSVGString();
    return text
      .replace(/<style ?>.*<\/style>/s, '')
      .replaceAll(/ (?:class|ecmeta_\w+)="[^"]*"/g, '')
      .replaceAll(/zr\d+-/g, `${id}-`)
      .replace('<svg ', '<svg aria-hidden="true" focusable="false" ');
  } finally {
    chart.dispose();
  }
}

/** Vertical bars from y - half to y + half, one a point; what would lie below 0 ends a hundredth of y above it. */
export function intervals(
  points: readonly { readonly x: number; readonly y: number; readonly half: number | null }[],
  color: string,
): object[] {
  return points.flatMap(({ x, y, half }) => {
    if (half === null || !(half > 0)) return [];
    const low = Math.max(y - half, y / 100);
    return [
      {
        type: 'line',
        silent: true,
        symbol: 'rect',
        symbolSize: [8, 1],
        lineStyle: { color, width: 1 },
        itemStyle: { color },
        data: [
          [x, low],
          [x, y + half],
        ],
      },
    ];
  });
}
