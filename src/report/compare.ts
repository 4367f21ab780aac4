/** Errors of a model's values in its quantized form. */
import { mostImportant, section, sections, styleOf } from './parts.ts';
import type { ReportOptions } from './style.ts';
import { formatCount, formatNumber, formatTable } from './text.ts';
import type { CompareReport } from './types.ts';

/** `kappa compare`'s report as text, without a final line break. */
export function compareText(report: CompareReport, a: string, b: string, options: ReportOptions = {}): string {
  const style = styleOf(options);
  const { shown, note } = mostImportant(report.tensors, (t) => t.relativeSquaredError, options.all ?? false);
  return sections(
    style.bold(
      `${a} and ${b}: ${formatCount(report.tensors.length)} values in both, ${formatCount(report.samples)} samples`,
    ),
    section(
      style,
      'Values, in the order of the graph',
      formatTable(
        [
          { title: 'value', align: 'left' },
          { title: 'made by', align: 'left' },
          { title: 'shape', align: 'left' },
          'largest error',
          'relative squared error',
          'SQNR (dB)',
        ],
        shown.map((t) => [
          t.name,
          t.opType,
          `[${t.dims.join(', ')}]`,
          formatNumber(t.maxError, 3),
          formatNumber(t.relativeSquaredError, 3),
          t.sqnr === null ? 'equal' : t.sqnr.toFixed(1),
        ]),
      ) + note,
    ),
    section(
      style,
      'Outputs',
      formatTable(
        [{ title: 'output', align: 'left' }, 'largest error', 'relative squared error'],
        report.outputs.map((o) => [o.name, formatNumber(o.maxError, 3), formatNumber(o.relativeSquaredError, 3)]),
      ),
    ),
    `values in the first model only: ${formatCount(report.onlyInA)}; in the second only: ${formatCount(report.onlyInB)}`,
  );
}
