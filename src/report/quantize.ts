/** What `kappa quantize` says of its result. */
import { evaluationText } from './evaluate.ts';
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
  widthSet,
  widthsText,
} from './parts.ts';
import type { ReportOptions, Style } from './style.ts';
import {
  formatBits,
  formatBytes,
  formatCount,
  formatNumber,
  formatPercent,
  formatRatio,
  formatTable,
  printable,
} from './text.ts';
import type { AllocationResult, QuantizeReport } from './types.ts';
import { activationsText } from './activations.ts';
import { verificationText } from './verification.ts';

/** The report as text, without a final line break. */
export function quantizeText(report: QuantizeReport, options: ReportOptions = {}): string {
  const style = styleOf(options);
  return sections(
    headline(report, style),
    section(style, 'Layers', layers(report, options.all ?? false)),
    section(style, 'Allocations compared', allocations(report)),
    section(style, 'Tuning', tuning(report)),
    report.activations ? section(style, 'Activations', activationsText(report.activations, report.unit)) : '',
    section(style, 'How metrics ranked these allocations', ranks(report)),
    section(style, 'How metrics ranked the layers, against what was measured', metricRanks(report)),
    section(style, 'Bytes of the file', parts(report)),
    report.evaluation
      ? section(
          style,
          `Held-out data: ${formatCount(report.evaluation.samples)} samples, the written file against the original`,
          evaluationText(report.evaluation),
        )
      : '',
    report.verification ? section(style, 'In stock runtimes', verificationText(report.verification, style)) : '',
    section(style, 'What is known, and how', guaranteesText(style, report.guarantees)),
    section(style, 'Left in float', report.left.length === 0 ? '' : leftText(report.left)),
  );
}

function headline(report: QuantizeReport, style: Style): string {
  const { model, output, unit } = report;
  const asked = budgetText(report.budget);
  const lines = [
    style.bold(
      `${printable(model.name)}: ${formatBytes(model.bytes)} -> ${formatBytes(output.bytes)}, ${formatRatio(output.ratio)} smaller`,
    ),
    `${averageText(report.averageBits)} on average, scales counted (${asked}); ${formatCount(model.quantizable)} weights in ${formatCount(model.layers)} layers; target ${output.target}, opset ${output.opset}`,
    `widths ${widthSet(report.widths)}; metric ${printable(report.metric)}; strategy ${printable(report.strategy)}; objective ${printable(report.objective)}`,
  ];
  if (report.cannotRun !== undefined)
    lines.push(
      style.bad(`the model cannot be run here: ${printable(report.cannotRun)}`),
      'not measured: activations, damage, accuracy, the error of the outputs; the widths follow the weights alone',
    );
  for (const [data, how] of Object.entries(report.images ?? {})) lines.push(`${data} images: ${printable(how)}`);
  if (report.dataFree !== null) lines.push(style.bad(`DATA-FREE: ${printable(report.dataFree)}`));
  const chosen = report.allocations[0];
  const uniform = report.allocations.find((a) => a.name === 'uniform');
  const damage = damageIn(unit);
  if (report.calibration && chosen && chosen.damage !== null) {
    const own = `damage on ${formatCount(report.calibration.judged)} ${report.dataFree === null ? 'calibration' : 'DRAWN'} samples: ${damage.format(chosen.damage)} (${damage.title})`;
    lines.push(style.bold(own + against(chosen, uniform, damage.format)));
    const { predicted, heldOut } = report.damage;
    const beside = [
      predicted === null ? undefined : `predicted as a sum: ${damage.format(predicted)}`,
      heldOut === null ? undefined : `on held-out data: ${damage.format(heldOut)}`,
    ].filter((part) => part !== undefined);
    if (beside.length > 0) lines.push(beside.join('; '));
  } else lines.push('no calibration data: the widths follow the weights alone, no damage was measured');
  lines.push(...formatLines(report));
  if (report.rowsNote !== null) lines.push(printable(report.rowsNote));
  for (const note of report.notes) lines.push(style.bad(printable(note)));
  return lines.join('\n');
}

/** A line for each format and reason, with the layers it is of. */
function formatLines({ layers, output: { halves } }: QuantizeReport): string[] {
  const groups = new Map<string, string[]>();
  for (const { name, format, formatReason } of layers)
    if (format !== null) {
      const key = `format ${format}: ${formatReason}`;
      groups.set(key, [...(groups.get(key) ?? []), name]);
    }
  const lines = [...groups].map(([key, names]) => {
    const few = names.length <= 2 && groups.size > 1;
    const which = few ? names.join(', ') : `${formatCount(names.length)} layer${names.length === 1 ? '' : 's'}`;
    return printable(`${key} (${which})`);
  });
  if (halves !== null) {
    const saved = formatBytes(halves.before - halves.after);
    const kept = halves.kept.length === 0 ? '' : `; ${formatCount(halves.kept.length)} stay fp32`;
    lines.push(
      `${formatCount(halves.tensors)} tensors that are not quantized are stored as fp16: ${saved} less${kept}`,
    );
  }
  return lines;
}

function budgetText({ averageBits, bytes, maxDrop, maxError }: QuantizeReport['budget']): string {
  if (averageBits !== null) return `budget ${formatBits(averageBits)}`;
  if (bytes !== null) return `budget ${formatBytes(bytes)}`;
  if (maxDrop !== null) return `drop in ${maxDrop.measure} of at most ${maxDrop.value}`;
  return maxError !== null ? `proved error of at most ${maxError}` : 'given plan';
}

function parts({ output }: QuantizeReport): string {
  const named: readonly (readonly [string, number])[] = [
    ['codes', output.parts.codes],
    ['scales', output.parts.scales],
    ['zero points', output.parts.zeros],
    ['order of rows', output.parts.order],
    ['layers in float', output.parts.floats],
    ['all else', output.parts.rest],
  ];
  const shown = named.filter(([, bytes]) => bytes > 0);
  return formatTable(
    [{ title: 'part', align: 'left' }, 'bytes', 'share'],
    shown.map(([name, bytes]) => [name, formatCount(bytes), formatPercent(bytes / output.bytes)]),
  );
}

function tuning({ tuning: found, unit }: QuantizeReport): string {
  if (found === null) return '';
  const { steps, kept, batch } = found;
  const damage = damageIn(unit);
  const said =
    kept === 0
      ? `${formatCount(steps)} steps of ${formatCount(batch)} samples: nothing kept, the damage on the held-out part did not fall`
      : `${formatCount(kept)} of ${formatCount(steps)} steps of ${formatCount(batch)} samples kept: those with the least damage on the held-out part`;
  const row = (name: string, { samples, before, after }: typeof found.tuning) => [
    name,
    formatCount(samples),
    damage.format(before),
    damage.format(after),
  ];
  const table = formatTable(
    [{ title: 'part of the calibration data', align: 'left' }, 'samples', `before: ${damage.title}`, 'after'],
    [row('trained on', found.tuning), row('held out, which decides', found.heldOut)],
  );
  return `${said}\n${table}`;
}

function ranks({ ranks: found }: QuantizeReport): string {
  if (found.length === 0) return '';
  return formatTable(
    [{ title: 'metric', align: 'left' }, 'allocations', 'rank correlation'],
    found.map(({ metric, plans, correlation }) => [metric, plans, correlation.toFixed(2)]),
  );
}

function metricRanks({ metricRanks: found }: QuantizeReport): string {
  if (found.length === 0) return '';
  const refused = found.flatMap((row) => ('refused' in row ? [`${row.metric}: ${printable(row.refused)}`] : []));
  const rows = found.flatMap((row) => ('refused' in row ? [] : [row]));
  const table = formatTable(
    [{ title: 'metric', align: 'left' }, 'damages', 'Spearman', 'Kendall', 'median of predicted / measured', 'spread'],
    rows.map(({ metric, count, spearman, kendall, medianRatio, ratioSpread }) => [
      printable(metric),
      count,
      orDash(spearman, (v) => v.toFixed(2)),
      orDash(kendall, (v) => v.toFixed(2)),
      orDash(medianRatio, (v) => formatNumber(v, 3)),
      orDash(ratioSpread, (v) => formatNumber(v, 3)),
    ]),
  );
  return [...(rows.length > 0 ? [table] : []), ...refused].join('\n');
}

function against(
  chosen: AllocationResult,
  uniform: AllocationResult | undefined,
  format: (v: number | null) => string | undefined,
): string {
  if (!uniform || uniform.damage === null || chosen.damage === null) return '';
  if (uniform.bits.join() === chosen.bits.join()) return '; uniform widths are the best found at this budget';
  const ratio = chosen.damage > 0 ? `, ${formatRatio(uniform.damage / chosen.damage)} as much` : '';
  return `; uniform widths at the same bytes: ${format(uniform.damage)}${ratio}`;
}

function layers(report: QuantizeReport, all: boolean): string {
  const damage = damageIn(report.unit);
  const { shown, note } = mostImportant(report.layers, (l) => l.damage ?? l.bytes, all);
  const table = formatTable(
    [
      { title: 'layer', align: 'left' },
      { title: 'op', align: 'left' },
      'weights',
      'bits',
      'bytes',
      'sigma_max',
      'loss curvature',
      `alone: ${damage.title}`,
      { title: 'why this width', align: 'left' },
    ],
    shown.map((l) => [
      l.name,
      l.opType,
      formatCount(l.params),
      widthText(l),
      formatCount(l.bytes),
      formatNumber(l.spectralCurvature, 3),
      orDash(l.lossCurvature, (v) => formatNumber(v, 3)),
      l.damage === null ? undefined : `${l.damageMeasured ? '' : '~'}${damage.format(l.damage)}`,
      l.reason,
    ]),
  );
  return table + note;
}

/** A layer's width; of rows that differ the narrowest, the widest and the mean. */
function widthText({ bits, rows }: QuantizeReport['layers'][number]): string {
  if (!rows) return bits === 32 ? 'float' : String(bits);
  const count = rows.reduce((n, r) => n + r.rows, 0);
  const mean = rows.reduce((n, r) => n + r.rows * r.bits, 0) / count;
  return `${rows[0]!.bits}-${bits}: ${mean.toFixed(1)}`;
}

function allocations(report: QuantizeReport): string {
  if (report.allocations.length === 0) return '';
  const damage = damageIn(report.unit);
  return formatTable(
    [
      { title: 'allocation', align: 'left' },
      'average bits',
      'bytes',
      `together: ${damage.title}`,
      'predicted',
      { title: 'widths', align: 'left' },
    ],
    report.allocations.map((a, i) => [
      i === 0 ? `${a.name} (chosen)` : a.name,
      a.averageBits.toFixed(3),
      formatCount(a.bytes),
      a.samples === undefined ? damage.format(a.damage) : `${damage.format(a.damage)} on ${formatCount(a.samples)}`,
      damage.format(a.predicted),
      widthsText(a.bits),
    ]),
  );
}
