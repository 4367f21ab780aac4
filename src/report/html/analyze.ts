/** `kappa analyze`'s report as a page. */
import { damageIn, orDash } from '../parts.ts';
import { formatBytes, formatCount, formatNumber } from '../text.ts';
import type { AnalyzeReport, LayerAnalysis } from '../types.ts';
import { pageHtml } from './html.ts';
import type { Page, PageSection } from './page.ts';
import { axis, INK, SERIES } from './svg.ts';

const LEGEND = { top: 0, itemGap: 26, textStyle: { color: INK } };
/** Layers along one axis past which names are left out. */
const NAMED = 32;

export interface AnalyzePageInput {
  readonly report: AnalyzeReport;
  /** The command, or the call, that makes the same again. */
  readonly command: string;
}

/** One self-contained HTML file: see `pageHtml`. */
export function analyzeHtml(input: AnalyzePageInput): string {
  return pageHtml(analyzePage(input));
}

export function analyzePage({ report, command }: AnalyzePageInput): Page {
  const { model, recommended, measuredError, totalErrorBound } = report;
  const damage = damageIn(report.unit);
  const figures = [
    recommended && { value: formatNumber(recommended.averageBits, 4), name: 'bits a weight recommended' },
    measuredError !== null && { value: damage.format(measuredError) ?? '-', name: `${damage.title} there, measured` },
    totalErrorBound !== null && {
      value: formatNumber(totalErrorBound, 3),
      name: 'bound on the l2 error (Theorem 3.4)',
    },
  ].filter((f) => f !== null && f !== false);
  return {
    title: `${model.name}: curvature, layer by layer`,
    figures,
    text: [
      `${formatBytes(model.bytes)}, ${formatCount(model.quantizable)} weights in ${formatCount(model.layers)} layers; target accuracy ${formatNumber(report.targetAccuracy, 3)}, metric ${report.metric}${report.calibration ? `, ${formatCount(report.calibration.samples)} calibration samples` : ', no data'}.`,
    ],
    sections: [
      curvature(report),
      bits(report),
      damages(report),
      {
        title: 'Operators',
        text: ['Definition 4.1 for the operators of the model.'],
        table: {
          columns: ['operator', 'nodes', 'Lipschitz constant', 'curvature', 'note'],
          rows: report.operators.map((o) => [
            o.opType,
            formatCount(o.nodes),
            orDash(o.lipschitz, (v) => formatNumber(v, 4)),
            orDash(o.curvature, (v) => formatNumber(v, 4)),
            o.note,
          ]),
        },
      },
      {
        title: 'What is known, and how',
        items: report.guarantees.map(({ label, statement, value, samples }) => ({
          mark: `[${label}]`,
          text: `${statement}${value === null ? '' : `: ${formatNumber(value)}`}${samples === null ? '' : ` (${formatCount(samples)} samples)`}`,
        })),
      },
      { title: 'How to make it again', text: [`kappa ${report.kappa}`], code: command },
    ].filter((s): s is PageSection => s !== undefined),
    data: report,
  };
}

/** Layers along the axis, named where there is room. */
function places(layers: readonly LayerAnalysis[]): { readonly xAxis: object; readonly bottom: number } {
  const named = layers.length <= NAMED;
  const axisLabel = { show: named, rotate: 40, color: INK, interval: 0, fontSize: 10 };
  return {
    xAxis: axis('category', named ? '' : 'layers, first to last', {
      data: layers.map((l) => l.name),
      axisLabel,
      nameGap: 20,
    }),
    bottom: named ? 120 : 45,
  };
}

const positive = (value: number | null): number | null =>
  value !== null && value > 0 && Number.isFinite(value) ? value : null;

function curvature({ layers }: AnalyzeReport): PageSection {
  const { xAxis, bottom } = places(layers);
  const loss = layers.some((l) => l.lossCurvature !== null);
  return {
    title: 'Curvature',
    text: [
      'sigma_max: norm of the layer as an operator, the seed document’s curvature. Loss curvature: damage to the output by squared norm of the weight error really made.',
    ],
    pictures: [
      {
        description:
          'sigma_max and loss curvature of every layer, first to last, on logarithmic scales; the table has the figures.',
        height: 400,
        option: {
          grid: { left: 70, right: 70, top: 40, bottom },
          legend: LEGEND,
          xAxis,
          yAxis: [
            axis('log', 'sigma_max', { nameGap: 50 }),
            axis('log', 'loss curvature', { show: loss, nameGap: 50, splitLine: { show: false } }),
          ],
          series: [
            { name: 'sigma_max', type: 'line', data: layers.map((l) => positive(l.spectralCurvature)) },
            ...(loss
              ? [
                  {
                    name: 'loss curvature',
                    type: 'line',
                    yAxisIndex: 1,
                    data: layers.map((l) => positive(l.lossCurvature)),
                  },
                ]
              : []),
          ],
        },
      },
    ],
    table: {
      columns: [
        'layer',
        'operator',
        'weights',
        'sigma_max',
        'known as',
        'condition',
        'loss curvature',
        'amplification',
        'share of the bound',
      ],
      rows: layers.map((l) => [
        l.name,
        l.opType,
        formatCount(l.params),
        formatNumber(l.spectralCurvature, 4),
        l.spectralBound,
        orDash(l.conditionNumber, (v) => formatNumber(v, 3)),
        orDash(l.lossCurvature, (v) => formatNumber(v, 3)),
        orDash(l.amplification, (v) => formatNumber(v, 3)),
        orDash(l.contribution, (v) => formatNumber(v, 3)),
      ]),
    },
  };
}

function bits({ layers, recommended }: AnalyzeReport): PageSection | undefined {
  if (layers.every((l) => l.requiredBits === null) && !recommended) return undefined;
  const { xAxis, bottom } = places(layers);
  const series = [
    { name: 'proved necessary (Theorem 4.7)', data: layers.map((l) => l.requiredBits) },
    { name: 'the document’s formula, a proxy', data: layers.map((l) => l.recommendedBits) },
    { name: 'recommended by damage', data: layers.map((_, i) => recommended?.bits[i] ?? null) },
  ].filter((s) => s.data.some((v) => v !== null));
  return {
    title: 'Bits',
    pictures: [
      {
        description:
          'Bits of every layer: proved necessary, by the document’s formula, and recommended by damage; the table has the figures.',
        height: 360,
        option: {
          grid: { left: 70, right: 20, top: 40, bottom },
          legend: LEGEND,
          xAxis,
          yAxis: axis('value', 'bits', { nameGap: 40 }),
          series: series.map((s, i) => ({ ...s, type: 'bar', itemStyle: { color: SERIES[i] } })),
        },
      },
    ],
    table: {
      columns: ['layer', ...series.map((s) => s.name)],
      rows: layers.map((l, i) => [l.name, ...series.map((s) => s.data[i]?.toString())]),
    },
  };
}

function damages({ layers, unit }: AnalyzeReport): PageSection | undefined {
  const widths = [...new Set(layers.flatMap((l) => l.damages.map((d) => d.bits)))].sort((a, b) => a - b);
  if (widths.length === 0) return undefined;
  const damage = damageIn(unit);
  const at = (l: LayerAnalysis, b: number) => l.damages.find((d) => d.bits === b);
  return {
    title: 'Damage of one layer alone',
    text: [
      `${damage.title} where one layer has that width and all others stay in float; ~ marks what was derived from another width.`,
    ],
    table: {
      columns: ['layer', ...widths.map((b) => `${b} bits`)],
      rows: layers.map((l) => [
        l.name,
        ...widths.map((b) => {
          const found = at(l, b);
          return found && `${found.measured ? '' : '~'}${damage.format(found.damage)}`;
        }),
      ]),
    },
  };
}
