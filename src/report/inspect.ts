/** What a model file holds. */
import { leftText, mostImportant, section, sections, styleOf } from './parts.ts';
import type { ReportOptions } from './style.ts';
import { formatBytes, formatCount, formatTable, printable } from './text.ts';
import type { InspectReport } from './types.ts';

/** `kappa inspect`'s report as text, without a final line break. */
export function inspectText(report: InspectReport, options: ReportOptions = {}): string {
  const style = styleOf(options);
  const values = (list: InspectReport['inputs']) =>
    formatTable(
      [
        { title: 'name', align: 'left' },
        { title: 'type', align: 'left' },
        { title: 'shape', align: 'left' },
      ],
      list.map((v) => [v.name, v.type, v.dims ? `[${v.dims.map((d) => d ?? '?').join(', ')}]` : 'unknown']),
    );
  const missing = report.operators.filter((o) => !o.supported);
  const quantizable = report.weights.reduce((n, w) => n + w.params, 0);
  const { shown, note } = mostImportant(report.weights, (w) => w.params, options.all ?? false);
  return sections(
    [
      style.bold(
        `${printable(report.name)}: ${formatBytes(report.bytes)}, ${formatCount(report.parameters)} parameters`,
      ),
      `IR version ${report.irVersion}; opset ${report.opsets.map((o) => `${o.domain === '' ? '' : `${printable(o.domain)} `}${o.version}`).join(', ')}${report.producer === '' ? '' : `; made by ${printable(report.producer)}`}`,
      verdict(report, missing, style),
    ].join('\n'),
    section(style, 'Inputs', values(report.inputs)),
    section(style, 'Outputs', values(report.outputs)),
    section(
      style,
      'Operators',
      formatTable(
        [{ title: 'operator', align: 'left' }, 'nodes', { title: 'supported', align: 'left' }],
        report.operators.map((o) => [operatorName(o), o.count, o.supported ? 'yes' : 'no']),
      ),
    ),
    section(style, 'Cannot be run', problems(report)),
    section(
      style,
      `Weights that can be quantized: ${formatCount(quantizable)} in ${formatCount(report.weights.length)} layers`,
      report.weights.length === 0
        ? ''
        : formatTable(
            [
              { title: 'layer', align: 'left' },
              { title: 'op', align: 'left' },
              { title: 'shape', align: 'left' },
              'weights',
            ],
            shown.map((w) => [w.name, w.opType, `[${w.dims.join(', ')}]`, formatCount(w.params)]),
          ) + note,
    ),
    section(style, 'Left in float', report.left.length === 0 ? '' : leftText(report.left)),
  );
}

function verdict(
  report: InspectReport,
  missing: InspectReport['operators'],
  style: ReturnType<typeof styleOf>,
): string {
  if (missing.length > 0)
    return style.bad(`not supported: ${missing.map((o) => printable(operatorName(o))).join(', ')}`);
  if (report.problems.length === 0) return style.good('every operator is supported');
  return style.bad('every operator is supported, but not all that these nodes ask of them');
}

/** One line a problem: what, where, why. */
function problems({ problems: list }: InspectReport): string {
  if (list.length === 0) return '';
  const rows = list.map((p) => [
    p.operator || p.kind,
    p.name,
    p.kind === 'operator' ? `no such operator, ${p.reason}` : p.reason,
  ]);
  const columns = ['what', 'node or value', 'why'].map((title) => ({ title, align: 'left' as const }));
  return formatTable(columns, rows);
}

function operatorName({ domain, opType }: { readonly domain: string; readonly opType: string }): string {
  return domain === '' ? opType : `${domain}.${opType}`;
}
