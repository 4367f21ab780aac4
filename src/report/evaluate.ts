/** What a model does on labelled data, and against a reference. */
import { guaranteesText, section, sections, styleOf } from './parts.ts';
import type { ReportOptions } from './style.ts';
import { type CellValue, formatChange, formatCount, formatNumber, formatPercent, formatTable } from './text.ts';
import type { EvaluationReport } from './types.ts';

/** `kappa eval`'s report as text, without a final line break. */
export function evaluateText(report: EvaluationReport, name: string, options: ReportOptions = {}): string {
  const style = styleOf(options);
  const predictions = report.predictions === report.samples ? '' : `, ${formatCount(report.predictions)} predictions`;
  return sections(
    style.bold(`${name}: ${formatCount(report.samples)} samples${predictions}`),
    evaluationText(report),
    report.reference
      ? section(style, 'What is known, and how', guaranteesText(style, report.reference.guarantees))
      : '',
  );
}

/** The figures as a table; with a reference its own beside them. */
export function evaluationText(report: EvaluationReport): string {
  const { reference: r } = report;
  const rows: CellValue[][] = [];
  const share = (v: number) => formatPercent(v);
  const nats = (v: number) => formatNumber(v, 4);
  if (!r) {
    rows.push(['accuracy', report.accuracy === null ? undefined : share(report.accuracy)]);
    rows.push(['cross-entropy (nats)', report.crossEntropy === null ? undefined : nats(report.crossEntropy)]);
    return formatTable(
      [
        { title: '', align: 'left' },
        { title: 'value', align: 'right' },
      ],
      rows,
    );
  }
  if (report.accuracy !== null && r.accuracy !== null)
    rows.push(['accuracy', share(r.accuracy), share(report.accuracy), formatChange(report.accuracy - r.accuracy)]);
  if (report.crossEntropy !== null && r.crossEntropy !== null) {
    const change = report.crossEntropy - r.crossEntropy;
    rows.push([
      'cross-entropy (nats)',
      nats(r.crossEntropy),
      nats(report.crossEntropy),
      `${change > 0 ? '+' : ''}${formatNumber(change, 3)}`,
    ]);
  }
  const only = (title: string, value: string) => rows.push([title, '', value, '']);
  if (r.kl !== null) only('KL to the reference x 10^3', formatNumber(r.kl * 1e3, 4));
  if (r.flips !== null) only('predictions changed', share(r.flips));
  only('relative squared error', formatNumber(r.relativeSquaredError, 3));
  only('largest error of an output', formatNumber(r.maxError, 3));
  return formatTable(
    [
      { title: '', align: 'left' },
      { title: 'reference', align: 'right' },
      { title: 'model', align: 'right' },
      { title: 'change', align: 'right' },
    ],
    rows,
  );
}
