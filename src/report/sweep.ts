/** The accuracy/size frontier against uniform widths, as measured. */
import { damageIn, orDash, section, sections, styleOf } from './parts.ts';
import type { ReportOptions } from './style.ts';
import { formatBytes, formatCount, formatNumber, formatPercent, formatTable } from './text.ts';
import type { SweepReport } from './types.ts';

/** `kappa sweep`'s report as text, without a final line break. */
export function sweepText(report: SweepReport, options: ReportOptions = {}): string {
  const style = styleOf(options);
  const { model } = report;
  const damage = damageIn(report.unit);
  const float = [
    orDash(report.accuracy, (v) => `accuracy ${formatPercent(v)}`),
    orDash(report.crossEntropy, (v) => `cross-entropy ${formatNumber(v, 4)} nats`),
  ].filter((part) => part !== undefined);
  const rows = report.points.map((p) => [
    formatNumber(p.budget, 3),
    p.kind,
    formatNumber(p.averageBits, 4),
    formatBytes(p.bytes),
    damage.format(p.damage),
    orDash(p.accuracy, (v) => formatPercent(v)),
    orDash(p.flips, (v) => formatPercent(v)),
    ratio(report, p),
  ]);
  return sections(
    `${style.bold(`${model.name}: ${formatBytes(model.bytes)}, ${formatCount(model.quantizable)} weights in ${model.layers} layers`)}\nfp32: ${float.join(', ')}; every file run on ${formatCount(report.samples)} held-out samples`,
    section(
      style,
      'Frontier',
      formatTable(
        [
          { title: 'budget', align: 'right' },
          { title: 'widths', align: 'left' },
          { title: 'average bits', align: 'right' },
          { title: 'file', align: 'right' },
          { title: damage.title, align: 'right' },
          { title: 'accuracy', align: 'right' },
          { title: 'changed', align: 'right' },
          { title: 'of guided', align: 'right' },
        ],
        rows,
      ),
    ),
    `uniform: the same rounding, one width for all; per tensor: one scale a tensor, nothing clipped, as in the seed document. ${formatNumber(report.seconds, 3)} s.`,
  );
}

/** Damage as a multiple of the guided plan's at the same budget. */
function ratio(report: SweepReport, point: SweepReport['points'][number]): string | undefined {
  const guided = report.points.find((p) => p.kind === 'guided' && p.budget === point.budget);
  if (!guided || guided === point || !(guided.damage > 0)) return undefined;
  return `${formatNumber(point.damage / guided.damage, 3)}x`;
}
