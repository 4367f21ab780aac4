/** Plans against each other: damage against size, and predicted against measured. */
import { orDash } from '../parts.ts';
import type { QuantizePictures } from '../pictures.ts';
import { formatCount, formatNumber } from '../text.ts';
import type { AllocationResult, QuantizeReport } from '../types.ts';
import type { PageSection } from './page.ts';
import { positive, unitOf } from './shared.ts';
import { axis, intervals, plot, SERIES } from './svg.ts';

/** What plans are called where they are held against the chosen one. */
const BASELINES: readonly (readonly [plan: string, name: string])[] = [
  ['uniform', 'uniform widths'],
  ['uniform, ends at 8', 'uniform, 8-bit ends'],
  ['spectral', 'the seed document’s curvature'],
];

const OTHERS = 'other plans';

/** A plan's name on a page. */
function planName({ name }: AllocationResult, index: number): string {
  const known = BASELINES.find(([plan]) => plan === name)?.[1] ?? name;
  return index === 0 ? `${known} (chosen)` : known;
}

interface Mark {
  readonly name: string;
  readonly of: readonly AllocationResult[];
  readonly symbol: string;
  readonly size: number;
  readonly color: string;
}

function marksOf([chosen, ...others]: readonly AllocationResult[]): Mark[] {
  const rest = others.filter((a) => BASELINES.every(([plan]) => plan !== a.name));
  const looks = [
    { symbol: 'rect', size: 11, color: SERIES[1] },
    { symbol: 'triangle', size: 12, color: SERIES[3] },
    { symbol: 'roundRect', size: 11, color: SERIES[4] },
  ];
  return [
    { name: OTHERS, of: rest, symbol: 'circle', size: 6, color: SERIES[5] },
    ...BASELINES.map(([plan, name], i) => ({ name, of: others.filter((a) => a.name === plan), ...looks[i]! })),
    { name: 'the chosen plan', of: chosen ? [chosen] : [], symbol: 'diamond', size: 17, color: SERIES[0] },
  ].filter(({ of }) => of.some((a) => positive(a.damage) !== null));
}

export function frontier(report: QuantizeReport, { frontier: lines }: QuantizePictures): PageSection | undefined {
  const { allocations, unit } = report;
  const damage = unitOf(unit);
  const most = Math.max(8.5, ...allocations.map((a) => a.averageBits));
  const line = (name: string, list: QuantizePictures['frontier']['guided'], type: string, color: string) => ({
    name,
    type: 'line',
    symbol: 'none',
    lineStyle: { type, color },
    itemStyle: { color },
    data: list.flatMap(({ averageBits, predicted }) =>
      averageBits <= most && positive(predicted) !== null ? [[averageBits, predicted * damage.scale]] : [],
    ),
  });
  const marks = marksOf(allocations);
  const named = [
    line('predicted, a width a layer', lines.guided, 'solid', SERIES[0]),
    line('predicted, uniform', lines.uniform, 'dashed', SERIES[1]),
    ...marks.map(({ name, of, symbol, size, color }) => ({
      name,
      type: 'scatter',
      symbol,
      symbolSize: size,
      itemStyle: { color, opacity: 1 },
      data: of.flatMap((a) =>
        positive(a.damage) === null ? [] : [[a.averageBits, a.damage! * damage.scale] as const],
      ),
    })),
  ].filter((s) => s.data.length > 0);
  if (named.length === 0) return undefined;
  // Of the many others they would hide what is to be told apart.
  const bars = marks.flatMap(({ name, of, color }) =>
    intervals(
      of.flatMap((a) =>
        name === OTHERS || positive(a.damage) === null || a.damageError === null
          ? []
          : [{ x: a.averageBits, y: a.damage! * damage.scale, half: a.damageError * damage.scale }],
      ),
      color,
    ),
  );
  const measured = marks.length > 0;
  return {
    title: 'Damage against size',
    text: [
      `Lines: what the table of single layers predicts.${measured ? ' Marks: plans measured with all layers quantized together; bars: 95 % intervals over samples (normal approximation).' : ''}`,
    ],
    pictures: [
      {
        description: `${damage.title} against average bits a weight, predicted for chosen and for uniform widths${measured ? ', and measured for every plan that was tried' : ''}; lower is better.`,
        draw: plot({
          height: 300,
          legend: named.map((s) => s.name),
          x: axis('value', 'average bits a weight, scales counted', {
            scale: true,
            nameGap: 30,
            max: ({ max }: { max: number }) => Math.ceil(max * 2) / 2,
          }),
          y: axis('log', damage.axis, { nameGap: 50 }),
          series: [...named, ...bars],
        }),
      },
    ],
    table: {
      caption: 'Plans that were tried, the chosen one first',
      columns: [
        'plan',
        'average bits',
        'bytes',
        ...(measured ? [`${damage.title} measured`, '±'] : []),
        measured ? 'predicted' : damage.title,
        ...(measured ? ['samples'] : []),
      ],
      rows: allocations.map((a, i) => [
        planName(a, i),
        a.averageBits.toFixed(3),
        formatCount(a.bytes),
        ...(measured ? [damage.format(a.damage), damage.format(a.damageError)] : []),
        damage.format(a.predicted),
        ...(measured
          ? [a.damage === null ? undefined : formatCount(a.samples ?? report.calibration?.judged ?? 0)]
          : []),
      ]),
    },
    open: true,
  };
}

export function predicted({ allocations, unit, ranks }: QuantizeReport): PageSection | undefined {
  const both = allocations.flatMap((a) => {
    const [p, m] = [positive(a.predicted), positive(a.damage)];
    return p === null || m === null ? [] : [{ p, m }];
  });
  if (both.length < 2) return undefined;
  const damage = unitOf(unit);
  const all = both.flatMap(({ p, m }) => [p, m]);
  const ends = [Math.min(...all), Math.max(...all)].map((v) => v * damage.scale);
  return {
    title: 'Predicted against measured damage',
    text: ['A sum over layers against all layers quantized together; on the dashed line they would agree.'],
    pictures: [
      {
        description: `Measured damage of ${both.length} plans against the damage predicted for them, beside the line where both are equal.`,
        half: true,
        draw: plot({
          height: 260,
          x: axis('log', `predicted ${damage.axis}`, { nameGap: 30 }),
          y: axis('log', `measured ${damage.axis}`, { nameGap: 50 }),
          series: [
            {
              type: 'line',
              symbol: 'none',
              lineStyle: { type: 'dashed', color: SERIES[5] },
              data: ends.map((v) => [v, v]),
            },
            {
              type: 'scatter',
              symbolSize: 9,
              itemStyle: { color: SERIES[0] },
              data: both.map(({ p, m }) => [p * damage.scale, m * damage.scale]),
            },
          ],
        }),
      },
    ],
    ...(ranks.length > 0 && {
      open: true,
      table: {
        caption: 'How each way of predicting orders the plans (1: as measured, 0: not at all)',
        columns: ['prediction', 'plans', 'rank correlation'],
        rows: ranks.map((r) => [r.metric, formatCount(r.plans), r.correlation.toFixed(2)]),
      },
    }),
  };
}

/** How metrics' damages of single layers agree with what was measured. */
export function metricRanks({ metricRanks: found }: QuantizeReport): PageSection | undefined {
  const rows = found.flatMap((row) => ('refused' in row ? [] : [row]));
  const refused = found.flatMap((row) => ('refused' in row ? [`${row.metric}: ${row.refused}.`] : []));
  if (found.length === 0) return undefined;
  return {
    title: 'How metrics rank the layers',
    text: ['Damages of single layers that cost less to find, against those that were measured.', ...refused],
    ...(rows.length > 0 && {
      table: {
        columns: ['metric', 'damages', 'Spearman', 'Kendall', 'median of predicted / measured', 'spread'],
        rows: rows.map((r) => [
          r.metric,
          formatCount(r.count),
          orDash(r.spearman, (v) => v.toFixed(2)),
          orDash(r.kendall, (v) => v.toFixed(2)),
          orDash(r.medianRatio, (v) => formatNumber(v, 3)),
          orDash(r.ratioSpread, (v) => formatNumber(v, 3)),
        ]),
      },
    }),
  };
}
