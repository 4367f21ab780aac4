/** Pictures without a DOM: Apache ECharts renders them to SVG text. */
import { BarChart, LineChart, ScatterChart } from 'echarts/charts';
import { GridComponent, LegendComponent } from 'echarts/components';
import { type EChartsCoreOption, init, setPlatformAPI, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([BarChart, LineChart, ScatterChart, GridComponent, LegendComponent, SVGRenderer]);

/** Pixels of a text of so many pixels' height in the widest of the fonts a page may come to be shown in. */
export function textWidth(text: string, size = 12): number {
  return Math.ceil(text.length * size * 0.62);
}

// Which font shows the page is not known here; what fits in the widest fits in all, and pages are the same wherever they are made.
setPlatformAPI({
  measureText: (text, font) => ({ width: textWidth(text, Number(/(\d+)px/.exec(font ?? '')?.[1] ?? 12)) }),
});

/** Colours are names of the page's style, so that one picture serves light and dark. */
export const INK = 'var(--ink)';
export const LINE = 'var(--line)';
export const PAPER = 'var(--paper)';
export const SERIES = ['var(--c0)', 'var(--c1)', 'var(--c2)', 'var(--c3)', 'var(--c4)', 'var(--c5)'] as const;

const TEXT = { color: INK, fontFamily: 'inherit', fontSize: 12 };

/** Colour of a width, in order from few bits to many: 0 is left out, 32 is float. */
export function widthColor(bits: number): string {
  if (bits === 0) return LINE;
  return bits > 8 ? (bits === 32 ? SERIES[5] : 'var(--w16)') : `var(--w${Math.max(2, bits)})`;
}

function powerOfTen(value: number): string {
  return value >= 0.01 && value < 10_000 ? String(value) : value.toExponential(0).replace('+', '');
}

/** An axis in the page's colours. */
export function axis(type: 'value' | 'log' | 'category', name: string, more: object = {}): object {
  return {
    type,
    name,
    nameLocation: 'middle',
    nameTextStyle: TEXT,
    axisLabel: type === 'log' ? { ...TEXT, formatter: powerOfTen, hideOverlap: true } : { ...TEXT, hideOverlap: true },
    axisLine: { show: true, lineStyle: { color: LINE } },
    axisTick: { lineStyle: { color: LINE } },
    splitLine: { show: type !== 'category', lineStyle: { color: LINE, opacity: 0.5 } },
    ...more,
  };
}

const LABEL = 10;
/** Pixels along an axis that a label takes which is turned, and characters that are left of a long one. */
const TURNED = 14;
const LONGEST = 22;

/** A name with its middle left out where it is long: both ends tell names apart. */
export function shortened(name: string, longest = LONGEST): string {
  const head = Math.floor(longest / 4);
  return name.length <= longest ? name : `${name.slice(0, head)}…${name.slice(head + 1 - longest)}`;
}

/** An axis of names: as many as there is room for, the first and every n-th after it, turned where they would touch. */
function namesAxis(names: readonly string[], area: number): { readonly xAxis: object; readonly below: number } {
  const labels = names.map((n) => shortened(n));
  const longest = Math.max(0, ...labels.map((l) => textWidth(l, LABEL)));
  const flat = longest + 8 < area / names.length;
  const every = flat ? 1 : Math.max(1, Math.ceil((names.length * TURNED) / area));
  const xAxis = axis('category', '', {
    data: labels,
    axisLabel: {
      ...TEXT,
      fontSize: LABEL,
      rotate: flat ? 0 : 60,
      interval: (index: number) => index % every === 0,
    },
    axisTick: { show: false },
  });
  return { xAxis, below: flat ? 26 : 16 + Math.ceil(longest * 0.87) };
}

/** A picture for some width. */
export interface Drawn {
  readonly option: EChartsCoreOption;
  /** Pixels. */
  readonly height: number;
}

/** What is drawn: axes, series, and what they are called. */
export interface Plot {
  /** Pixels between the legend and the lower axis. */
  readonly height: number;
  /** Names along the axis, or what the axis says. */
  readonly x: readonly string[] | object;
  readonly y: object | readonly [left: object, right: object];
  readonly series: readonly object[];
  /** Names of the series in the legend; none where nothing is to be told apart. */
  readonly legend?: readonly string[] | undefined;
  /** Pixels for what stands at the left axis. */
  readonly left?: number;
}

const GAP = 14;
const ICON = 22;

/** A picture as wide as there is room: the legend takes as many lines as it needs, names as much as they need. */
export function plot({ height, x, y, series, legend = [], left = 66 }: Plot): (width: number) => Drawn {
  return (width) => {
    const right = Array.isArray(y) ? 66 : 16;
    const { xAxis, below } = Array.isArray(x)
      ? namesAxis(x as readonly string[], width - left - right)
      : { xAxis: x as object, below: 48 };
    let lines = legend.length > 0 ? 1 : 0;
    let at = 0;
    for (const name of legend) {
      const item = ICON + 5 + textWidth(name);
      if (at > 0 && at + item > width - 24) {
        lines++;
        at = 0;
      }
      at += item + GAP;
    }
    const top = lines * (14 + GAP) + 12;
    const option = {
      grid: { left, right, top, bottom: below },
      ...(lines > 0 && {
        legend: {
          data: [...legend],
          top: 0,
          left: 'center',
          width: width - 24,
          itemWidth: ICON,
          itemHeight: 12,
          itemGap: GAP,
          textStyle: TEXT,
          inactiveColor: LINE,
        },
      }),
      xAxis,
      yAxis: y,
      series,
    };
    return { option, height: top + height + below };
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
      .replaceAll(/ d="[^"]*"/g, (path) => path.replaceAll(/(\.\d)\d+/g, '$1'));
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

/** Vertical lines from the axis to that height, as one path. */
export function uprights(at: readonly number[], height: number, color: string, opacity: number): object {
  return {
    type: 'line',
    silent: true,
    symbol: 'none',
    lineStyle: { color, width: 1, opacity },
    data: at.flatMap((v) => [
      [v, 0],
      [v, height],
      [v, '-'],
    ]),
  };
}
