/** The demonstrations as pages. */
import { type DemoReport, demoFinding, demoTable } from '../demo.ts';
import { componentTable, filesTable, findingText, type LayerDemoReport, layerTable } from '../demo-layers.ts';
import { formatCount, formatNumber, formatPercent } from '../text.ts';
import { pageHtml } from './html.ts';
import type { Page, PageSection } from './page.ts';
import { axis, INK, SERIES } from './svg.ts';

const GRID = { left: 70, right: 20, top: 40, bottom: 60 };
const LEGEND = { top: 0, itemGap: 26, textStyle: { color: INK } };

export interface DemoPageInput<Report> {
  readonly report: Report;
  /** The command, or the call, that makes the same again. */
  readonly command: string;
}

/** `kappa demo mnist` as one self-contained HTML file: see `pageHtml`. */
export function demoHtml(input: DemoPageInput<DemoReport>): string {
  return pageHtml(demoPage(input));
}

/** `kappa demo resnet` and `kappa demo transformer` alike. */
export function layerDemoHtml(input: DemoPageInput<LayerDemoReport>): string {
  return pageHtml(layerDemoPage(input));
}

const again = (report: { readonly kappa: string }, code: string): PageSection => ({
  title: 'How to make it again',
  text: [`kappa ${report.kappa}`],
  code,
});

export function demoPage({ report, command }: DemoPageInput<DemoReport>): Page {
  const [first] = report.models;
  const rows = first?.rows ?? [];
  const line = (kind: 'uniform' | 'guided', value: (r: DemoReport['models'][number]['rows'][number]) => number) =>
    report.models.flatMap(({ rows: own }) =>
      own.filter((r) => r.kind === kind && value(r) > 0).map((r) => [r.averageBits, value(r)]),
    );
  const finding = demoFinding(report);
  const { columns, rows: table } = demoTable(report);
  return {
    title: 'MNIST: uniform widths against guided ones, at the same bytes',
    figures: [
      { value: formatPercent(rows[0]?.accuracy ?? 0), name: 'accuracy of fp32' },
      { value: formatCount(report.samples), name: 'test images' },
      { value: formatCount(report.models.length), name: 'training seeds' },
    ],
    text: finding === '' ? [] : [finding],
    sections: [
      {
        title: 'The seed document’s table, measured',
        pictures: [
          {
            description: 'KL to fp32 on test images against average bits, uniform and guided, every seed a mark.',
            height: 380,
            option: {
              grid: GRID,
              legend: LEGEND,
              xAxis: axis('value', 'average bits a weight, scales counted', { scale: true, nameGap: 30 }),
              yAxis: axis('log', 'KL (nats)', { nameGap: 50 }),
              series: (['uniform', 'guided'] as const).map((kind, i) => ({
                name: kind,
                type: 'scatter',
                symbolSize: 10,
                itemStyle: { color: SERIES[i] },
                data: line(kind, (r) => r.kl),
              })),
            },
          },
        ],
        table: { columns, rows: table },
        open: true,
      },
      {
        title: 'Layers',
        table: {
          columns: [
            'layer',
            'weights',
            'sigma_max',
            'loss curvature',
            ...rows.filter((r) => r.kind === 'guided').map((r) => r.configuration),
          ],
          rows: (first?.layers ?? []).map((l, i) => [
            l.name,
            formatCount(l.params),
            formatNumber(l.sigmaMax, 4),
            l.lossCurvature === null ? undefined : formatNumber(l.lossCurvature, 3),
            ...rows.filter((r) => r.kind === 'guided').map((r) => formatNumber(r.bits[i]!, 3)),
          ]),
        },
      },
      again(report, command),
    ],
    data: report,
  };
}

export function layerDemoPage({ report, command }: DemoPageInput<LayerDemoReport>): Page {
  const { layers, budgets, files } = report;
  const [original] = files;
  const named = (wanted: string) => files.find((f) => f.configuration === wanted);
  const names = layers.map((l) => l.name);
  return {
    title: `${report.model}: curvature and bits, layer by layer`,
    figures: [
      ...(original?.accuracy === null || original === undefined
        ? []
        : [{ value: formatPercent(original.accuracy), name: 'accuracy of fp32' }]),
      ...budgets.flatMap((b) => {
        const [uniform, guided] = [named(`uniform at ${b}`), named(`guided at ${b}`)];
        return uniform && guided && guided.kl > 0
          ? [
              {
                value: `${formatNumber(uniform.kl / guided.kl, 3)}x`,
                name: `KL of uniform widths, of guided, at ${b} bits`,
              },
            ]
          : [];
      }),
    ],
    text: [findingText(report)],
    sections: [
      {
        title: 'Curvature by depth',
        pictures: [
          {
            description:
              'Spectral and loss curvature of every layer, first to last, on logarithmic scales; the table has the figures.',
            height: 380,
            option: {
              grid: { ...GRID, right: 70, bottom: 120 },
              legend: LEGEND,
              xAxis: axis('category', '', {
                data: names,
                axisLabel: { rotate: 40, color: INK, interval: 0, fontSize: 10 },
              }),
              yAxis: [
                axis('log', 'sigma_max', { nameGap: 50 }),
                axis('log', 'loss curvature', { nameGap: 50, splitLine: { show: false } }),
              ],
              series: [
                {
                  name: 'sigma_max',
                  type: 'line',
                  data: layers.map((l) => (l.spectralCurvature > 0 ? l.spectralCurvature : null)),
                },
                {
                  name: 'loss curvature',
                  type: 'line',
                  yAxisIndex: 1,
                  data: layers.map((l) => (l.lossCurvature !== null && l.lossCurvature > 0 ? l.lossCurvature : null)),
                },
              ],
            },
          },
        ],
      },
      {
        title: 'Bits by depth',
        pictures: [
          {
            description:
              'Bits a weight that the guided plans give every layer, first to last; the table has the figures.',
            height: 340,
            option: {
              grid: { ...GRID, bottom: 120 },
              legend: LEGEND,
              xAxis: axis('category', '', {
                data: names,
                axisLabel: { rotate: 40, color: INK, interval: 0, fontSize: 10 },
              }),
              yAxis: axis('value', 'bits a weight', { nameGap: 40 }),
              series: budgets.map((b, i) => ({ name: `at ${b}`, type: 'bar', data: layers.map((l) => l.given[i]) })),
            },
          },
        ],
        table: layerTable(report),
        open: true,
      },
      {
        title: report.demo === 'resnet' ? 'By stage' : 'By component',
        table: componentTable(report),
      },
      {
        title: `Held-out data: ${formatCount(report.samples)} samples`,
        table: filesTable(report),
      },
      again(report, command),
    ],
    data: report,
  };
}
