/** Activations as integers, as text. */
import { damageIn, orDash } from './parts.ts';
import { formatCount, formatNumber, formatPercent, formatTable, printable } from './text.ts';
import type { ActivationReport, QuantizeReport } from './types.ts';

/** Rows of a table of values. */
const MOST = 24;

export function activationsText(report: ActivationReport, unit: QuantizeReport['unit']): string {
  const damage = damageIn(unit);
  const { mode, operators, values, left, weights, together, predicted, limit, work } = report;
  const what = {
    none: 'all stay in float',
    static: `${formatCount(operators)} operators multiply integers; ${formatCount(values.length)} values rounded, ranges by ${printable(report.range)}`,
    dynamic: `${formatCount(operators)} operators multiply integers; ranges found in every run`,
  }[mode];
  const measured = [
    weights === null ? undefined : `weights alone: ${damage.format(weights)} (${damage.title})`,
    together === null ? undefined : `activations as well: ${damage.format(together)}`,
    predicted === null ? undefined : `predicted for activations as a sum: ${damage.format(predicted)}`,
    limit === null ? undefined : `allowed: ${damage.format(limit)}`,
    work === undefined ? undefined : `${formatPercent(work)} of the multiply-adds are of integers`,
  ].filter((part) => part !== undefined);
  const lines = [what, ...(measured.length > 0 ? [measured.join('; ')] : [])];
  const measuredAlone = values.some((v) => v.damage !== null);
  const shown = values.filter((v) => v.bits !== 32).slice(0, MOST);
  if (shown.length > 0)
    lines.push(
      formatTable(
        [
          { title: 'value', align: 'left' },
          'type',
          'scale',
          'zero point',
          ...(measuredAlone ? [`alone: ${damage.title}`] : []),
        ],
        shown.map((v) => [
          printable(v.value),
          v.type,
          formatNumber(v.scale, 4),
          v.zero,
          ...(measuredAlone ? [orDash(v.damage, (d) => damage.format(d) ?? '')] : []),
        ]),
      ),
    );
  if (values.length > shown.length) lines.push(`${formatCount(values.length - shown.length)} more in the JSON report`);
  lines.push(...groupsText(report, unit));
  const reasons = new Map<string, string[]>();
  for (const { layer, reason } of left) reasons.set(reason, [...(reasons.get(reason) ?? []), layer]);
  for (const [reason, layers] of reasons)
    lines.push(
      `in float: ${layers.slice(0, 6).map(printable).join(', ')}${layers.length > 6 ? ', ...' : ''}: ${printable(reason)}`,
    );
  return lines.join('\n');
}

/** Groups of values that were left in float, and why. */
function groupsText({ groups = [] }: ActivationReport, unit: QuantizeReport['unit']): string[] {
  const damage = damageIn(unit);
  const float = groups.filter((g) => g.bits === 32);
  if (float.length === 0) return [];
  const rows = float
    .slice(0, MOST)
    .map((g) => [
      printable(g.name),
      formatCount(g.values.length),
      damage.format(g.damage) ?? '',
      damage.format(g.worth) ?? '',
      printable(g.reason ?? ''),
    ]);
  const columns = [
    { title: 'left in float', align: 'left' },
    'values',
    `alone: ${damage.title}`,
    'worth',
    { title: 'why', align: 'left' },
  ] as const;
  const more = float.length > MOST ? [`${formatCount(float.length - MOST)} more in the JSON report`] : [];
  return [formatTable(columns, rows), ...more];
}
