/** `kappa sweep`'s report as a page. */
import { formatBytes, formatCount, formatNumber, formatPercent, formatRatio } from '../text.ts';
import type { Made, SweepPoint, SweepReport } from '../types.ts';
import { pageHtml } from './html.ts';
import type { Page, PageSection } from './page.ts';
import { againSection, positive, unitOf } from './shared.ts';
import { axis, intervals, plot, SERIES } from './svg.ts';

const KINDS: readonly SweepPoint['kind'][] = ['guided', 'uniform', 'uniform, per tensor'];
/** Accuracy lost past which a point would leave no room for the others. */
const MOST_LOST = 0.1;

/** What the page of `sweep` is made of. */
export interface SweepPageInput {
  readonly report: SweepReport;
  /** The command, or the call, that makes the same again. */
  readonly command: string;
  /** The same in full, with versions and checksums, where they are known. */
  readonly made?: Made | undefined;
}

/** One self-contained HTML file: see `pageHtml`. */
export function sweepHtml(input: SweepPageInput): string {
  return pageHtml(sweepPage(input));
}

/** The page of `sweep`: the frontier. */
export function sweepPage({ report, command, made }: SweepPageInput): Page {
  const { model, points } = report;
  const gains = points.flatMap((p) => {
    const uniform = points.find((u) => u.kind === 'uniform' && u.budget === p.budget);
    return p.kind === 'guided' && uniform && p.damage > 0 ? [uniform.damage / p.damage] : [];
  });
  const [least, most] = [Math.min(...gains), Math.max(...gains)];
  return {
    title: `${model.name}: damage against size`,
    figures: [
      ...(report.accuracy === null
        ? []
        : [{ value: formatPercent(report.accuracy), name: 'accuracy of fp32', label: 'measured' as const }]),
      { value: formatCount(report.samples), name: 'held-out samples' },
      ...(gains.length === 0
        ? []
        : [
            {
              value: least === most ? formatRatio(least) : `${formatNumber(least, 3)} to ${formatRatio(most)}`,
              name: 'damage of uniform widths in the same budget',
              label: 'measured' as const,
            },
          ]),
    ],
    text: [
      `${formatBytes(model.bytes)}, ${formatCount(model.quantizable)} weights in ${formatCount(model.layers)} ${model.layers === 1 ? 'layer' : 'layers'}. Every file was written and run on the held-out samples. Guided: widths chosen by measured damage. Uniform: one width for all layers and the same rounding. Per tensor: uniform with one scale a tensor and nothing clipped, as in the seed document.`,
      unitOf(report.unit).words,
    ],
    sections: [damage(report), accuracy(report), againSection(report, command, made)].filter((s) => s !== undefined),
    data: { ...report, ...(made && { made }) },
  };
}

/** Lines of damage against size, one a kind, with their intervals; `x` says what size is. */
export function damageSeries(
  points: readonly SweepPoint[],
  scale: number,
  x: (p: SweepPoint) => number,
): { readonly legend: string[]; readonly series: object[] } {
  const lines = KINDS.flatMap((kind, i) => {
    const own = points.filter((p) => p.kind === kind && positive(p.damage) !== null);
    if (own.length === 0) return [];
    const color = SERIES[i]!;
    return [
      {
        name: kind,
        type: 'line',
        symbol: (['circle', 'rect', 'triangle'] as const)[i],
        symbolSize: 7,
        lineStyle: { type: (['solid', 'dashed', 'dotted'] as const)[i], color },
        itemStyle: { color },
        data: own.map((p) => [x(p), p.damage * scale]),
        bars: intervals(
          own.map((p) => ({
            x: x(p),
            y: p.damage * scale,
            half: p.damageError === null ? null : p.damageError * scale,
          })),
          color,
        ),
      },
    ];
  });
  return {
    legend: lines.map((l) => l.name),
    series: [...lines.map(({ bars: _, ...line }) => line), ...lines.flatMap((l) => l.bars)],
  };
}

function damage({ points, unit: of }: SweepReport): PageSection {
  const unit = unitOf(of);
  const errors = points.some((p) => p.damageError !== null);
  return {
    title: 'Damage against size',
    text: errors ? ['Bars and ±: 95 % intervals over samples (normal approximation).'] : [],
    pictures: [
      {
        description: `Held-out ${unit.title} against average bits a weight, guided and uniform, on a logarithmic scale; lower is better.`,
        draw: plot({
          height: 320,
          x: axis('value', 'average bits a weight, scales counted', { scale: true, nameGap: 30 }),
          y: axis('log', unit.axis, { nameGap: 50 }),
          ...damageSeries(points, unit.scale, (p) => p.averageBits),
        }),
      },
    ],
    table: {
      columns: [
        'widths',
        'budget',
        'average bits',
        'bytes',
        unit.title,
        ...(errors ? ['±'] : []),
        'accuracy',
        'cross-entropy, nats',
        'predictions changed',
      ],
      rows: points.map((p) => [
        p.kind,
        formatNumber(p.budget, 3),
        p.averageBits.toFixed(3),
        formatCount(p.bytes),
        unit.format(p.damage),
        ...(errors ? [unit.format(p.damageError)] : []),
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
  const low = float - MOST_LOST;
  const below = points.filter((p) => p.accuracy !== null && p.accuracy < low).length;
  const kinds = KINDS.filter((kind) => points.some((p) => p.kind === kind));
  return {
    title: 'Accuracy',
    text:
      below === 0
        ? []
        : [
            `${below} of ${points.length} files that lose more than ${formatPercent(MOST_LOST, 0)} are left out of the picture; the table above has them.`,
          ],
    pictures: [
      {
        description: `Held-out accuracy against average bits a weight; fp32 has ${formatPercent(float)}. The table above has the figures.`,
        draw: plot({
          height: 240,
          legend: kinds,
          x: axis('value', 'average bits a weight, scales counted', { scale: true, nameGap: 30 }),
          y: axis('value', 'accuracy, %', { scale: true, nameGap: 50 }),
          series: kinds.map((kind) => ({
            name: kind,
            type: 'line',
            symbol: (['circle', 'rect', 'triangle'] as const)[KINDS.indexOf(kind)],
            symbolSize: 6,
            lineStyle: { type: (['solid', 'dashed', 'dotted'] as const)[KINDS.indexOf(kind)] },
            itemStyle: { color: SERIES[KINDS.indexOf(kind)] },
            data: points.flatMap((p) =>
              p.kind === kind && p.accuracy !== null && p.accuracy >= low ? [[p.averageBits, 100 * p.accuracy]] : [],
            ),
          })),
        }),
      },
    ],
  };
}
