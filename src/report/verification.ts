/** What stock runtimes did with a written file, as text. */
import type { RuntimeResult, RuntimeTimes, VerificationReport } from '../verify/runtime.ts';
import { orDash } from './parts.ts';
import { PLAIN, type Style } from './style.ts';
import { formatBytes, formatNumber, formatTable, printable } from './text.ts';

/** A table, a line for each runtime, and what is to be said of them. */
export function verificationText(report: VerificationReport, style: Style = PLAIN): string {
  const { samples, from, note, runtimes } = report;
  const table = formatTable(
    [
      { title: 'runtime', align: 'left' },
      { title: 'verdict', align: 'left' },
      'difference',
      'of the original',
      { title: 'load', align: 'right' },
      { title: 'speed', align: 'right' },
      { title: 'run', align: 'right' },
      { title: 'speed', align: 'right' },
      { title: 'memory', align: 'right' },
    ],
    runtimes.map((r) => [
      `${r.runtime} ${r.version}`,
      r.status,
      orDash(r.difference, (d) => d.toExponential(1)),
      orDash(r.originalDifference, (d) => d.toExponential(1)),
      ...timesCells(r.load),
      ...timesCells(r.run),
      r.memory ? `${formatBytes(r.memory.written)}, was ${formatBytes(r.memory.original)}` : undefined,
    ]),
  );
  const lines = [
    samples > 0
      ? `run on ${samples} ${samples === 1 ? 'sample' : 'samples'} of ${from}, against Kappa's executor; speeds are relative to the original file, one sample at once, 1 thread`
      : 'not run',
    ...(note === null ? [] : [printable(note)]),
    ...runtimes.flatMap((r) => remarks(r, style)),
  ];
  return `${table}\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

function timesCells(times: RuntimeTimes | null): readonly [string | undefined, string | undefined] {
  if (!times) return [undefined, undefined];
  return [`${formatNumber(times.written, 3)} ms`, `${times.speed.toFixed(2)}x`];
}

function remarks(r: RuntimeResult, style: Style): string[] {
  const reason = r.reason === null ? [] : [`${r.runtime}: ${printable(r.reason)}`];
  const bad = r.status === 'differs' || r.status === 'refused';
  const elsewhere = bad && !r.required ? [`${r.runtime} is not what the file was written for`] : [];
  const defaults =
    r.defaultDifference === null || r.defaultDifference <= r.bound
      ? []
      : [
          `${r.runtime} with its default options multiplies decoded weights with activations rounded to 8 bits: its outputs differ by ${r.defaultDifference.toExponential(1)} then; the session entry session.qdq_matmulnbits_accuracy_level = '0' keeps it from that`,
        ];
  return [...(bad ? reason.map(style.bad) : reason), ...elsewhere, ...defaults];
}
