/** What `kappa analyze` says of a model: curvature, required bits, damage by width, contributions to the error. */
import {
  averageText,
  damageIn,
  guaranteesText,
  leftText,
  mostImportant,
  orDash,
  section,
  sections,
  styleOf,
  widthsText,
} from './parts.ts';
import type { ReportOptions, Style } from './style.ts';
import { type CellValue, formatBytes, formatCount, formatNumber, formatTable, printable } from './text.ts';
import type { AnalyzeReport, LayerAnalysis } from './types.ts';

/** The report as text, without a final line break. */
export function analyzeText(report: AnalyzeReport, options: ReportOptions = {}): string {
  const style = styleOf(options);
  const { shown, note } = mostImportant(report.layers, importance, options.all ?? false);
  return sections(
    headline(report, style),
    section(style, 'Curvature and precision', curvature(shown) + note),
    section(
      style,
      `Damage of each layer alone, by width: ${damageIn(report.unit).title}${report.unit === 'proxy' ? '' : ' (~ derived from a measured width)'}`,
      damages(report, shown),
    ),
    section(style, 'Operators', operators(report)),
    section(style, 'What is known, and how', guaranteesText(style, report.guarantees)),
    section(style, 'Left in float', report.left.length === 0 ? '' : leftText(report.left)),
  );
}

function importance(layer: LayerAnalysis): number {
  return layer.damages[0]?.damage ?? layer.spectralCurvature;
}

function headline(report: AnalyzeReport, style: Style): string {
  const { model, recommended, calibration } = report;
  const damage = damageIn(report.unit);
  const lines = [
    style.bold(
      `${printable(model.name)}: ${formatBytes(model.bytes)}, ${formatCount(model.quantizable)} weights in ${formatCount(model.layers)} layers`,
    ),
    `${calibration ? `${formatCount(calibration.samples)} calibration samples` : 'no calibration data: no ranges, no damage'}; metric ${printable(report.metric)}; target ${formatNumber(report.targetAccuracy)}`,
  ];
  if (recommended)
    lines.push(
      `widths that meet the target by the table: ${widthsText(recommended.bits)}, ${averageText(recommended.averageBits)} on average, predicted ${damage.format(recommended.predicted)} (${damage.title})`,
    );
  else lines.push('no widths of those allowed meet the target by the table');
  if (report.totalErrorBound !== null)
    lines.push(
      `l2 error of one sample's outputs at those widths: at most ${formatNumber(report.totalErrorBound, 3)} (Theorem 3.4, worst case)`,
    );
  if (report.measuredError !== null)
    lines.push(`damage at those widths, measured: ${damage.format(report.measuredError)} (${damage.title})`);
  return lines.join('\n');
}

function curvature(layers: readonly LayerAnalysis[]): string {
  return formatTable(
    [
      { title: 'layer', align: 'left' },
      { title: 'op', align: 'left' },
      'weights',
      { title: 'sigma_max', align: 'right' },
      'condition',
      'loss curvature',
      'diameter',
      'bits: proved necessary',
      "bits: document's proxy",
      'amplification',
      'contribution',
    ],
    layers.map((l) => [
      l.name,
      l.opType,
      formatCount(l.params),
      `${l.spectralBound === 'exact' ? '' : '<='}${formatNumber(l.spectralCurvature, 4)}`,
      orDash(l.conditionNumber, (v) => formatNumber(v, 3)),
      orDash(l.lossCurvature, (v) => formatNumber(v, 3)),
      orDash(l.diameter, (v) => formatNumber(v, 3)),
      orDash(l.requiredBits, (v) => formatNumber(v, 3)),
      orDash(l.recommendedBits, (v) => formatNumber(v, 3)),
      orDash(l.amplification, (v) => formatNumber(v, 3)),
      orDash(l.contribution, (v) => formatNumber(v, 3)),
    ]),
  );
}

function damages(report: AnalyzeReport, layers: readonly LayerAnalysis[]): string {
  const widths = [...new Set(layers.flatMap((l) => l.damages.map((d) => d.bits)))]
    .filter((b) => b !== 32)
    .sort((a, b) => a - b);
  if (widths.length === 0) return '';
  const { format } = damageIn(report.unit);
  return formatTable(
    [{ title: 'layer', align: 'left' }, ...widths.map((b) => ({ title: `${b} bits`, align: 'right' }) as const)],
    layers.map((l) => [
      l.name,
      ...widths.map((b): CellValue => {
        const found = l.damages.find((d) => d.bits === b);
        return found && `${found.measured || report.unit === 'proxy' ? '' : '~'}${format(found.damage)}`;
      }),
    ]),
  );
}

function operators(report: AnalyzeReport): string {
  if (report.operators.length === 0) return '';
  return formatTable(
    [{ title: 'operator', align: 'left' }, 'nodes', 'Lipschitz', 'curvature', { title: 'note', align: 'left' }],
    report.operators.map((o) => [
      o.opType,
      o.nodes,
      orDash(o.lipschitz, (v) => formatNumber(v, 4)),
      orDash(o.curvature, (v) => formatNumber(v, 4)),
      o.note,
    ]),
  );
}
