/** The seed document's tables of a deep network's layers, as measured. */
import { componentsOf } from './demo-components.ts';
import { documentComponent, findingText } from './demo-findings.ts';
import { mostImportant, section, sections, significant, styleOf, wrap } from './parts.ts';
import type { ReportOptions } from './style.ts';
import { formatBytes, formatCount, formatNumber, formatPercent, formatTable, printable } from './text.ts';

/** One layer in the demonstration of a deep network. */
export interface LayerDemoRow {
  readonly name: string;
  readonly opType: string;
  readonly params: number;
  /** Part of the network the layer belongs to: a stage, a kind of projection. */
  readonly component: string;
  /** sigma_max of the layer's operator, or its proved upper bound: the document's curvature. */
  readonly spectralCurvature: number;
  /** Damage / squared norm of the weight error at 4 bits. */
  readonly lossCurvature: number | null;
  /** Damage of this layer alone at 4 bits. */
  readonly damage: number | null;
  /** Proved necessary bits (Theorem 4.7), and the document's formula, a proxy, both at an error of 0.01. */
  readonly requiredBits: number | null;
  readonly recommendedBits: number | null;
  /** Bits a weight that the guided plan of each budget gives, means over rows. */
  readonly given: readonly number[];
}

/** A file, run on held-out data beside the original. */
export interface LayerDemoFile {
  readonly configuration: string;
  readonly averageBits: number;
  readonly bytes: number;
  readonly accuracy: number | null;
  readonly crossEntropy: number | null;
  /** Nats a prediction; 0 for the original. */
  readonly kl: number;
  /** Half the width of its 95 % interval (normal approximation over samples); null for the original, and where there is none. */
  readonly klError: number | null;
}

/** What the demonstration of a deep network found. */
export interface LayerDemoReport {
  readonly kappa: string;
  readonly demo: 'resnet' | 'transformer';
  readonly model: string;
  /** Samples calibrated on, and held-out ones. */
  readonly calibration: number;
  readonly samples: number;
  /** Budgets in average bits, scales counted. */
  readonly budgets: readonly number[];
  readonly layers: readonly LayerDemoRow[];
  readonly files: readonly LayerDemoFile[];
  /** Spearman's rank correlation of a layer's place in the graph, first to last, with its figure; null where all are alike. */
  readonly byDepth: {
    readonly spectral: number | null;
    readonly loss: number | null;
    /** One a budget. */
    readonly given: readonly (number | null)[];
  };
  readonly seconds: number;
}

/** `kappa demo resnet` and `kappa demo transformer` as text, without a final line break. */
export function layerDemoText(report: LayerDemoReport, options: ReportOptions = {}): string {
  const style = styleOf(options);
  const { shown, note } = mostImportant(report.layers, (l) => l.damage ?? 0, options.all ?? true);
  return sections(
    style.bold(
      `${printable(report.model)}: calibrated on ${formatCount(report.calibration)} samples, measured on ${formatCount(report.samples)} others`,
    ),
    section(style, 'Files', asText(filesTable(report))),
    section(style, report.demo === 'resnet' ? 'By stage' : 'By component', asText(componentTable(report))),
    section(style, 'Layer by layer, first to last', asText(layerTable(report, shown)) + note),
    style.dim(wrap(findingText(report), 0)),
  );
}

/** A table as both text and pages show it: the first column to the left. */
export interface DemoTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | undefined)[])[];
}

export function filesTable({ files }: LayerDemoReport): DemoTable {
  return {
    columns: ['configuration', 'avg bits', 'accuracy', 'cross-entropy', 'KL x 10^3', 'file'],
    rows: files.map((f) => [
      f.configuration,
      f.averageBits.toFixed(2),
      f.accuracy === null ? undefined : formatPercent(f.accuracy),
      f.crossEntropy === null ? undefined : formatNumber(f.crossEntropy, 5),
      f.klError === null ? significant(f.kl * 1e3) : `${significant(f.kl * 1e3)} ± ${significant(f.klError * 1e3)}`,
      formatBytes(f.bytes),
    ]),
  };
}

const budgetTitles = (budgets: readonly number[]) => budgets.map((b) => `given at ${b}`);

export function componentTable(report: LayerDemoReport): DemoTable {
  const components = componentsOf(report);
  const told = components.some((c) => documentComponent(report.demo, c.name));
  return {
    columns: [
      'part',
      'layers',
      'weights',
      'sigma_max',
      ...(told ? ["document's"] : []),
      'loss curvature',
      "document's formula",
      ...(told ? ["document's bits"] : []),
      ...budgetTitles(report.budgets),
    ],
    rows: components.map((c) => {
      const [curvature, bits] = documentComponent(report.demo, c.name) ?? [undefined, undefined];
      return [
        c.name,
        String(c.layers),
        formatCount(c.params),
        formatNumber(c.spectralCurvature, 3),
        ...(told ? [curvature] : []),
        c.lossCurvature === null ? undefined : formatNumber(c.lossCurvature, 3),
        c.recommendedBits?.toFixed(1),
        ...(told ? [bits] : []),
        ...c.given.map((b) => b.toFixed(2)),
      ];
    }),
  };
}

export function layerTable(report: LayerDemoReport, layers: readonly LayerDemoRow[] = report.layers): DemoTable {
  return {
    columns: [
      'layer',
      'weights',
      'sigma_max',
      'loss curvature',
      'proved bits',
      "document's formula",
      ...budgetTitles(report.budgets),
    ],
    rows: layers.map((l) => [
      l.name,
      formatCount(l.params),
      formatNumber(l.spectralCurvature, 3),
      l.lossCurvature === null ? undefined : formatNumber(l.lossCurvature, 3),
      l.requiredBits?.toString(),
      l.recommendedBits?.toString(),
      ...l.given.map((b) => b.toFixed(2)),
    ]),
  };
}

function asText({ columns, rows }: DemoTable): string {
  return formatTable(
    columns.map((title, i) => ({ title, align: i === 0 ? 'left' : 'right' }) as const),
    rows,
  );
}
