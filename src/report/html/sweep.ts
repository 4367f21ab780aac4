/** `kappa sweep`'s report as a page. */
import { significant } from '../parts.ts';
import { formatBytes, formatCount, formatNumber, formatPercent } from '../text.ts';
import type { SweepPoint, SweepReport } from '../types.ts';
import { pageHtml } from './html.ts';
import type { Page, PageSection } from './page.ts';
import { axis, INK, intervals, SERIES } from './svg.ts';

const KINDS: readonly SweepPoint['kind'][] = ['guided', 'uniform', 'uniform, per tensor'];
const GRID = { left: 70, right: 20, top: 40, bottom: 60 };
const LEGEND = { top: 0, itemGap: 26, textStyle: { color: INK } };

export interface SweepPageInput {
  readonly report: SweepReport;
  /** The command, or the call, that makes the same again. */
  readonly command: string;
}

/** One self-contained HTML file: see `pageHtml`. */
export function sweepHtml(input: SweepPageInput): string {
  return pageHtml(sweepPage(input));
}

export function sweepPage({ report, command }: SweepPageInput): Page {
  const { model, points } = report;
  const gains = points.flatMap((p) => {
    const uniform = points.find((u) => u.kind === 'uniform' && u.budget === p.budget);
    return p.kind === 'guided' && uniform && p.damage > 0 ? [uniform.damage / p.damage] : [];
  });
  return {
    title: `${model.name}: damage against size`,
    figures: [
      ...(report.accuracy === null ? [] : [{ value: formatPercent(report.accuracy), name: 'accuracy of fp32' }]),
      { value: formatCount(report.samples), name: 'held-out samples' },
      ...(gains.length === 0
        ? []
        : [
            {
              value: `${formatNumber(Math.min(...gains), 3)} to ${formatNumber(Math.max(...gains), 3)}x`,
              name: 'damage of uniform widths, as a multiple of guided',
            },
          ]),
    ],
    text: [
      `${formatBytes(model.bytes)}, ${formatCount(model.quantizable)} weights in ${formatCount(model.layers)} layers. Every file was written and run on the held-out samples; uniform widths have the same bytes and the same rounding; per tensor: one scale a tensor, nothing clipped, as in the seed document.`,
    ],
    sections: [
      damage(report),
      accuracy(report),
      { title: 'How to make it again', text: [`kappa ${report.kappa}`], code: command },
    ].filter((s) => s !== undefined),
    data: report,
  };
}

function damage({ points }: SweepReport): PageSection {
  const series = KINDS.flatMap((kind, i) => {
    const own = points.filter((p) => p.kind === kind && p.damage > 0);
    if (own.length === 0) return [];
    const color = SERIES[i]!;
    const line = {
      name: kind,
      type: 'line',
      symbolSize: 7,
      lineStyle: { type: kind === 'guided' ? 'solid' : 'dashed' },
      itemStyle: { color },
      data: own.map((p) => [p.averageBits, p.damage]),
    };
    return [
      line,
      ...intervals(
        own.map((p) => ({ x: p.averageBits, y: p.damage, half: p.damageError })),
        color,
      ),
    ];
  });
  return {
    title: 'Damage',
    text: ['Bars: 95 % intervals over samples (normal approximation).'],
    pictures: [
      {
        description:
          'Held-out damage against average bits, guided and uniform, on a logarithmic scale; the table has the figures.',
        height: 420,
        option: {
          grid: GRID,
          legend: { ...LEGEND, data: [...KINDS] },
          xAxis: axis('value', 'average bits a weight', { scale: true, nameGap: 30 }),
          yAxis: axis('log', 'damage', { nameGap: 50 }),
          series,
        },
      },
    ],
    table: {
      columns: [
        'widths',
        'budget',
        'average bits',
        'bytes',
        'damage x 10^3',
        '±',
        'accuracy',
        'cross-entropy',
        'changed',
      ],
      rows: points.map((p) => [
        p.kind,
        formatNumber(p.budget, 3),
        formatNumber(p.averageBits, 4),
        formatCount(p.bytes),
        significant(p.damage * 1e3),
        p.damageError === null ? undefined : significant(p.damageError * 1e3),
        p.accuracy === null ? undefined : formatPercent(p.accuracy),
        p.crossEntropy === null ? undefined : formatNumber(p.crossEntropy, 5),
        p.flips === null ? undefined : formatPercent(p.flips),
      ]),
    },
    open: true,
  };
}

function accuracy({ points, accuracy: float }: SweepReport): PageSection | undefined {
  if (float === null) return undefined;
  return {
    title: 'Accuracy',
    pictures: [
      {
        description: `Held-out accuracy against average bits; fp32 has ${formatPercent(float)}. The table above has the figures.`,
        height: 320,
        option: {
          grid: GRID,
          legend: LEGEND,
          xAxis: axis('value', 'average bits a weight', { scale: true, nameGap: 30 }),
          yAxis: axis('value', 'accuracy', { scale: true, nameGap: 50 }),
          series: KINDS.map((kind, i) => ({
            name: kind,
            type: 'line',
            symbolSize: 6,
            lineStyle: { type: kind === 'guided' ? 'solid' : 'dashed' },
            itemStyle: { color: SERIES[i] },
            data: points.filter((p) => p.kind === kind).map((p) => [p.averageBits, p.accuracy]),
          })),
        },
      },
    ],
  };
}
