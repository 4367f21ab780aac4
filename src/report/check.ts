import { PLAIN, type ReportOptions } from './style.ts';
import { formatNumber, formatTable, printable } from './text.ts';
import type { CheckReport } from './types.ts';

/** The report as text: every case that did not pass, or all of them, and the counts. */
export function checkText(report: CheckReport, { style = PLAIN, all = false }: ReportOptions = {}): string {
  const shown = report.cases.filter((c) => all || c.status !== 'passed');
  const paint = { passed: style.good, failed: style.bad, unsupported: style.dim };
  const rows = shown.map((c) => [
    printable(c.name),
    paint[c.status](c.status),
    c.maxAbs === null ? '' : formatNumber(c.maxAbs, 2),
    printable(c.reason ?? ''),
  ]);
  const table = formatTable(['case', 'status', { title: 'max difference', align: 'right' }, 'reason'], rows);
  const counts = `${report.passed} passed, ${report.failed} failed, ${report.unsupported} unsupported`;
  return rows.length === 0 ? counts : `${table}\n${counts}`;
}
