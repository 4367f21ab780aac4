/** The demonstrations as pages. */
import { type DemoReport, demoFinding, demoTable } from '../demo.ts';
import { findingText } from '../demo-findings.ts';
import { componentTable, filesTable, type LayerDemoReport, layerTable } from '../demo-layers.ts';
import { formatCount, formatNumber, formatPercent, formatRatio } from '../text.ts';
import type { Made } from '../types.ts';
import { bitsPicture, curvaturePicture } from './curvature.ts';
import { pageHtml } from './html.ts';
import type { Page, PageFigure, PageTable, Picture } from './page.ts';
import { againSection, positive, unitOf } from './shared.ts';
import { axis, intervals, plot, SERIES } from './svg.ts';

/** What the page of a demonstration is made of. */
export interface DemoPageInput<Report> {
  readonly report: Report;
  /** The command, or the call, that makes the same again. */
  readonly command: string;
  /** The same in full, with versions and checksums, where they are known. */
  readonly made?: Made | undefined;
}

/** `kappa demo mnist` as one self-contained HTML file: see `pageHtml`. */
export function demoHtml(input: DemoPageInput<DemoReport>): string {
  return pageHtml(demoPage(input));
}

/** `kappa demo resnet` and `kappa demo transformer` alike. */
export function layerDemoHtml(input: DemoPageInput<LayerDemoReport>): string {
  return pageHtml(layerDemoPage(input));
}

/** A table of the text, headed as pages head theirs. */
function onPage({ columns, rows }: PageTable): PageTable {
  return { columns: columns.map((c) => c.replace('x 10^3', '× 10³')), rows };
}

const KINDS = ['uniform', 'guided'] as const;
const SYMBOLS = ['rect', 'diamond'] as const;

/** The page of the demonstration of a small network. */
export function demoPage({ report, command, made }: DemoPageInput<DemoReport>): Page {
  const [first] = report.models;
  const rows = first?.rows ?? [];
  const kl = unitOf('kl');
  const guided = rows.filter((r) => r.kind === 'guided');
  const finding = demoFinding(report);
  const marks = (value: (r: DemoReport['models'][number]['rows'][number]) => number | null) =>
    KINDS.map((kind, i) => ({
      name: kind,
      type: 'scatter',
      symbol: SYMBOLS[i],
      symbolSize: 10,
      itemStyle: { color: SERIES[1 - i], opacity: 0.8 },
      data: report.models.flatMap((m) =>
        m.rows.flatMap((r) => {
          const v = r.kind === kind ? value(r) : null;
          return v === null ? [] : [[r.averageBits, v]];
        }),
      ),
    }));
  const x = axis('value', 'average bits a weight, scales counted', { scale: true, nameGap: 30 });
  return {
    title: 'MNIST: uniform widths against guided ones, at the same bytes',
    figures: [
      { value: formatPercent(rows[0]?.accuracy ?? 0), name: 'accuracy of fp32, first seed', label: 'measured' },
      { value: formatCount(report.samples), name: 'test images' },
      {
        value: formatCount(report.models.length),
        name: report.models.length === 1 ? 'training seed' : 'training seeds',
      },
      ...gainOf(report),
    ],
    text: [
      'Uniform: one width for all layers and one scale a tensor, as in the seed document. Guided: widths by measured damage, no larger than the budget. Every file was written and run on the test images.',
      kl.words,
      ...(finding === '' ? [] : [finding]),
    ],
    sections: [
      {
        title: 'The seed document’s table, measured',
        text:
          report.models.length > 1 ? [`Mean and standard deviation over ${report.models.length} training seeds.`] : [],
        table: onPage(demoTable(report)),
      },
      {
        title: 'Damage and accuracy against size',
        text: ['Every training seed is a mark; the figures are in the table above.'],
        pictures: [
          {
            description: `${kl.title} to fp32 on test images against average bits, uniform and guided, on a logarithmic scale; lower is better.`,
            draw: plot({
              height: 280,
              legend: KINDS,
              x,
              y: axis('log', kl.axis, { nameGap: 50 }),
              series: marks((r) => {
                const v = positive(r.kl);
                return v === null ? null : v * kl.scale;
              }),
            }),
          },
          {
            description: 'Accuracy on test images against average bits, uniform and guided; higher is better.',
            draw: plot({
              height: 220,
              legend: KINDS,
              x,
              y: axis('value', 'accuracy, %', { scale: true, nameGap: 50 }),
              series: marks((r) => 100 * r.accuracy),
            }),
          },
        ],
      },
      {
        title: 'Layers',
        text: [
          `Of ${first?.name ?? 'the first seed'}: curvature, and the mean bits a weight that each guided plan gives.`,
        ],
        table: {
          columns: [
            'layer',
            'operator',
            'weights',
            'sigma_max',
            'loss curvature',
            ...guided.map((r) => `bits at ${r.nominalBits}`),
          ],
          rows: (first?.layers ?? []).map((l, i) => [
            l.name,
            l.opType,
            formatCount(l.params),
            formatNumber(l.sigmaMax, 4),
            l.lossCurvature === null ? undefined : formatNumber(l.lossCurvature, 3),
            ...guided.map((r) => r.bits[i]!.toFixed(2)),
          ]),
        },
      },
      againSection(report, command, made),
    ],
    data: { ...report, ...(made && { made }) },
  };
}

/** How much more damage uniform widths do at 4 bits, over all seeds. */
function gainOf({ models }: DemoReport): PageFigure[] {
  const sum = (kind: 'uniform' | 'guided') =>
    models.reduce((n, m) => n + (m.rows.find((r) => r.kind === kind && r.nominalBits === 4)?.kl ?? 0), 0);
  const [uniform, guided] = [sum('uniform'), sum('guided')];
  return uniform > 0 && guided > 0
    ? [
        {
          value: formatRatio(uniform / guided),
          name: 'KL of uniform widths over that of guided, 4 bits',
          label: 'measured',
        },
      ]
    : [];
}

/** The page of the demonstration of a deep network. */
export function layerDemoPage({ report, command, made }: DemoPageInput<LayerDemoReport>): Page {
  const { layers, budgets, files } = report;
  const [original] = files;
  const named = (wanted: string) => files.find((f) => f.configuration === wanted);
  return {
    title: `${report.model}: curvature and bits, layer by layer`,
    figures: [
      ...(original?.accuracy === null || original === undefined
        ? []
        : [{ value: formatPercent(original.accuracy), name: 'accuracy of fp32', label: 'measured' as const }]),
      ...budgets.flatMap((b) => {
        const [uniform, guided] = [named(`uniform at ${b}`), named(`guided at ${b}`)];
        return uniform && guided && guided.kl > 0
          ? [
              {
                value: formatRatio(uniform.kl / guided.kl),
                name: `KL of uniform widths over that of guided, ${b} bits`,
                label: 'measured' as const,
              },
            ]
          : [];
      }),
    ],
    text: [
      `Calibrated on ${formatCount(report.calibration)} samples, measured on ${formatCount(report.samples)} others. Uniform widths have the same budget and the same rounding.`,
      findingText(report),
    ],
    sections: [
      {
        title: 'Curvature by depth',
        text: [
          'sigma_max: norm of the layer as an operator, the seed document’s curvature. Loss curvature: damage to the output over the squared norm of the weight error that was really made. Figures are in the table of layers.',
        ],
        pictures: [curvaturePicture(layers)],
      },
      {
        title: 'Bits by depth',
        text: ['Mean bits a weight that the guided plan of each budget gives.'],
        pictures: [givenPicture(report)],
        table: onPage(layerTable(report)),
        open: true,
      },
      {
        title: report.demo === 'resnet' ? 'By stage' : 'By component',
        table: onPage(componentTable(report)),
      },
      {
        title: `Held-out data: ${formatCount(report.samples)} samples`,
        text: ['±: 95 % interval over samples (normal approximation).'],
        pictures: filesPicture(report),
        open: true,
        table: onPage(filesTable(report)),
      },
      againSection(report, command, made),
    ],
    data: { ...report, ...(made && { made }) },
  };
}

/** Bits a weight of every layer, a bar a budget. */
export function givenPicture({ layers, budgets }: Pick<LayerDemoReport, 'layers' | 'budgets'>): Picture {
  return bitsPicture(
    `Bits a weight given to ${formatCount(layers.length)} layers, first to last, at ${budgets.join(' and ')} bits on average.`,
    layers,
    budgets.map((b, i) => ({ name: `${b} bits on average`, values: layers.map((l) => l.given[i]!) })),
  );
}

function filesPicture({ files }: LayerDemoReport): Picture[] {
  const kl = unitOf('kl');
  const of = KINDS.map((kind) => files.filter((f) => f.configuration.startsWith(kind) && positive(f.kl) !== null));
  if (of.every((list) => list.length === 0)) return [];
  return [
    {
      description: `${kl.title} on held-out data against average bits, uniform and guided, on a logarithmic scale; lower is better.`,
      draw: plot({
        height: 240,
        legend: KINDS,
        x: axis('value', 'average bits a weight, scales counted', { scale: true, nameGap: 30 }),
        y: axis('log', kl.axis, { nameGap: 50 }),
        series: [
          ...of.map((list, i) => ({
            name: KINDS[i],
            type: 'line',
            symbol: SYMBOLS[i],
            symbolSize: 10,
            lineStyle: { type: i === 0 ? 'dashed' : 'solid', color: SERIES[1 - i] },
            itemStyle: { color: SERIES[1 - i] },
            data: list.map((f) => [f.averageBits, f.kl * kl.scale]),
          })),
          ...of.flatMap((list, i) =>
            intervals(
              list.map((f) => ({
                x: f.averageBits,
                y: f.kl * kl.scale,
                half: f.klError === null ? null : f.klError * kl.scale,
              })),
              SERIES[1 - i]!,
            ),
          ),
        ],
      }),
    },
  ];
}
