/** The seed document's tables of a deep network's layers, as measured. */
import { mostImportant, section, sections, significant, styleOf, wrap } from './parts.ts';
import type { ReportOptions, Style } from './style.ts';
import { formatBytes, formatCount, formatNumber, formatPercent, formatTable, printable } from './text.ts';

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
}

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

/** The layers of one part of the network together. */
export interface Component {
  readonly name: string;
  readonly layers: number;
  readonly params: number;
  /** Mean over layers. */
  readonly spectralCurvature: number;
  readonly lossCurvature: number | null;
  readonly recommendedBits: number | null;
  /** Bits a weight, over all weights of the part; one a budget. */
  readonly given: readonly number[];
}

/** In the order in which they first occur. */
export function componentsOf({ layers, budgets }: Pick<LayerDemoReport, 'layers' | 'budgets'>): Component[] {
  return [...new Set(layers.map((l) => l.component))].map((name) => {
    const own = layers.filter((l) => l.component === name);
    const params = own.reduce((n, l) => n + l.params, 0);
    return {
      name,
      layers: own.length,
      params,
      spectralCurvature: mean(own.map((l) => l.spectralCurvature))!,
      lossCurvature: mean(own.flatMap((l) => l.lossCurvature ?? [])),
      recommendedBits: mean(own.flatMap((l) => l.recommendedBits ?? [])),
      given: budgets.map((_, b) => own.reduce((n, l) => n + l.given[b]! * l.params, 0) / params),
    };
  });
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length;
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
    findings(report, style),
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
      significant(f.kl * 1e3),
      formatBytes(f.bytes),
    ]),
  };
}

const budgetTitles = (budgets: readonly number[]) => budgets.map((b) => `given at ${b}`);

export function componentTable(report: LayerDemoReport): DemoTable {
  return {
    columns: [
      'part',
      'layers',
      'weights',
      'sigma_max',
      'loss curvature',
      "document's bits",
      ...budgetTitles(report.budgets),
    ],
    rows: componentsOf(report).map((c) => [
      c.name,
      String(c.layers),
      formatCount(c.params),
      formatNumber(c.spectralCurvature, 3),
      c.lossCurvature === null ? undefined : formatNumber(c.lossCurvature, 3),
      c.recommendedBits?.toFixed(1),
      ...c.given.map((b) => b.toFixed(2)),
    ]),
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
      "document's bits",
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

/** What holds of the document's finding, in its own words and ours. */
export function findingText(report: LayerDemoReport): string {
  return report.demo === 'resnet' ? depthFinding(report) : attentionFinding(report);
}

function findings(report: LayerDemoReport, style: Style): string {
  return style.dim(wrap(findingText(report), 0));
}

const holds = (r: number | null): string =>
  r === null ? 'says nothing here' : r > 0.5 ? 'holds' : r < -0.5 ? 'is the other way round' : 'does not hold';

const figure = (r: number | null): string => (r === null ? 'none' : r.toFixed(2));

function depthFinding({ byDepth, budgets }: LayerDemoReport): string {
  const given = budgets.map((b, i) => `bits given at ${b}: ${figure(byDepth.given[i]!)}`);
  return `The seed document: early layers need fewer bits, later layers need more. Rank correlation with depth here: spectral curvature ${figure(byDepth.spectral)}, so by that measure the finding ${holds(byDepth.spectral)}; damage to the output ${figure(byDepth.loss)}, so by what the output loses it ${holds(byDepth.loss)}; ${given.join(', ')}.`;
}

function attentionFinding(report: LayerDemoReport): string {
  const components = componentsOf(report);
  const of = (test: RegExp) => components.filter((c) => test.test(c.name));
  const [attention, ffn] = [of(/projection$/), of(/^FFN/)];
  const ratio = (value: (c: Component) => number | null): number | null => {
    const average = (list: readonly Component[]): number | null => {
      const known = list.flatMap((c) => (value(c) === null ? [] : [{ v: value(c)!, n: c.layers }]));
      const layers = known.reduce((n, k) => n + k.n, 0);
      return layers === 0 ? null : known.reduce((sum, k) => sum + k.v * k.n, 0) / layers;
    };
    const [a, f] = [average(attention), average(ffn)];
    return a === null || f === null || !(f > 0) ? null : a / f;
  };
  const said = (r: number | null) => (r === null ? 'unknown' : `${formatNumber(r, 3)} times`);
  const spectral = ratio((c) => c.spectralCurvature);
  const loss = ratio((c) => c.lossCurvature);
  const bits = report.budgets.map((b, i) => {
    const weighted = (list: readonly Component[]) =>
      list.reduce((n, c) => n + c.given[i]! * c.params, 0) / list.reduce((n, c) => n + c.params, 0);
    return `at ${b} bits attention is given ${weighted(attention).toFixed(2)} and FFN ${weighted(ffn).toFixed(2)}`;
  });
  const verdict =
    loss === null
      ? 'cannot be judged'
      : loss > 1.2
        ? 'holds'
        : loss < 1 / 1.2
          ? 'is the other way round'
          : 'does not hold';
  return `The seed document: attention has higher curvature than FFN and needs more bits. Here attention's spectral curvature is ${said(spectral)} FFN's, its loss curvature ${said(loss)}: by what the output loses the finding ${verdict}; ${bits.join('; ')}.`;
}
