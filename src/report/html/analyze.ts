/** `kappa analyze`'s report as a page. */
import { orDash } from '../parts.ts';
import { formatBytes, formatCount, formatNumber } from '../text.ts';
import type { AnalyzeReport, Made } from '../types.ts';
import { bitsPicture, curvaturePicture } from './curvature.ts';
import { pageHtml } from './html.ts';
import { sensitivity } from './layers.ts';
import type { Page, PageFigure, PageSection } from './page.ts';
import { againSection, guaranteesSection, leftSection, unitOf } from './shared.ts';

/** What the page of `analyze` is made of. */
export interface AnalyzePageInput {
  readonly report: AnalyzeReport;
  /** The command, or the call, that makes the same again. */
  readonly command: string;
  /** The same in full, with versions and checksums, where they are known. */
  readonly made?: Made | undefined;
}

/** One self-contained HTML file: see `pageHtml`. */
export function analyzeHtml(input: AnalyzePageInput): string {
  return pageHtml(analyzePage(input));
}

/** The page of `analyze`. */
export function analyzePage({ report, command, made }: AnalyzePageInput): Page {
  const { model, calibration } = report;
  return {
    title: `${model.name}: curvature, layer by layer`,
    figures: figures(report),
    text: [
      `${formatBytes(model.bytes)}, ${formatCount(model.quantizable)} weights in ${formatCount(model.layers)} ${model.layers === 1 ? 'layer' : 'layers'}; allowed error ${formatNumber(report.targetAccuracy, 2)}, metric ${report.metric}; ${calibration ? `${formatCount(calibration.samples)} calibration samples` : 'no calibration data: no ranges and no damage were measured'}.`,
      unitOf(report.unit).words,
    ],
    sections: [
      curvature(report),
      bits(report),
      sensitivity(report, report),
      guaranteesSection(report.guarantees),
      operators(report),
      leftSection(report.left),
      againSection(report, command, made),
    ].filter((s): s is PageSection => s !== undefined),
    data: { ...report, ...(made && { made }) },
  };
}

function figures({ recommended, measuredError, totalErrorBound, unit: of, layers, guarantees }: AnalyzeReport) {
  const unit = unitOf(of);
  const list: PageFigure[] = [{ value: formatCount(layers.length), name: layers.length === 1 ? 'layer' : 'layers' }];
  if (recommended)
    list.push({
      value: formatNumber(recommended.averageBits, 3),
      name: 'bits a weight keep the allowed error',
      label: 'proxy',
    });
  if (measuredError !== null)
    list.push({ value: unit.format(measuredError) ?? '-', name: `${unit.title} at these widths`, label: 'measured' });
  if (totalErrorBound !== null)
    list.push({
      value: formatNumber(totalErrorBound, 3),
      name: 'most l2 error of an output there (Theorem 3.4)',
      label: guarantees.find((g) => g.value === totalErrorBound)?.label,
    });
  return list;
}

function curvature({ layers }: AnalyzeReport): PageSection {
  return {
    title: 'Curvature',
    text: [
      'sigma_max: norm of the layer as an operator, the seed document’s curvature. Loss curvature: damage to the output over the squared norm of the weight error that was really made.',
    ],
    pictures: [curvaturePicture(layers)],
    table: {
      columns: [
        'layer',
        'operator',
        'weights',
        'sigma_max',
        'known as',
        'condition',
        'loss curvature',
        'input diameter',
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
        orDash(l.diameter, (v) => formatNumber(v, 3)),
        orDash(l.amplification, (v) => formatNumber(v, 3)),
        orDash(l.contribution, (v) => formatNumber(v, 3)),
      ]),
    },
  };
}

function bits({ layers, recommended, targetAccuracy }: AnalyzeReport): PageSection | undefined {
  if (layers.every((l) => l.requiredBits === null) && !recommended) return undefined;
  const columns = [
    { name: 'proved necessary (Theorem 4.7)', values: layers.map((l) => l.requiredBits) },
    { name: 'the seed document’s formula', values: layers.map((l) => l.recommendedBits) },
    { name: 'enough by measured damage', values: layers.map((_, i) => recommended?.bits[i] ?? null) },
  ].filter((s) => s.values.some((v) => v !== null));
  return {
    title: 'Bits, layer by layer',
    text: [
      `For an error of ${formatNumber(targetAccuracy, 2)}. Proved: with fewer distinct outputs than 2 to that power nothing that computes the layer is that exact everywhere in the calibrated range. The seed document’s formula is a proxy. Damage is that of the network’s output on the calibration data, which forgives far more.`,
    ],
    pictures: [
      bitsPicture(
        `Bits of ${formatCount(layers.length)} layers: ${columns.map((c) => c.name).join(', ')}.`,
        layers,
        columns,
      ),
    ],
    table: {
      columns: ['layer', ...columns.map((s) => s.name)],
      rows: layers.map((l, i) => [l.name, ...columns.map((s) => s.values[i]?.toString())]),
    },
  };
}

function operators({ operators: list }: AnalyzeReport): PageSection {
  return {
    title: 'Operators',
    text: ['Definition 4.1 for the operators of the model.'],
    table: {
      columns: ['operator', 'nodes', 'Lipschitz constant', 'curvature', 'note'],
      rows: list.map((o) => [
        o.opType,
        formatCount(o.nodes),
        orDash(o.lipschitz, (v) => formatNumber(v, 4)),
        orDash(o.curvature, (v) => formatNumber(v, 4)),
        o.note,
      ]),
    },
  };
}
