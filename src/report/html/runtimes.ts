/** What stock runtimes did with the written file. */
import { orDash } from '../parts.ts';
import { formatBytes, formatNumber } from '../text.ts';
import type { RuntimeResult, RuntimeTimes, VerificationReport } from '../../verify/runtime.ts';
import type { PageSection } from './page.ts';

export function runtimesSection(found: VerificationReport | undefined): PageSection | undefined {
  if (!found || found.runtimes.length === 0) return undefined;
  const { samples, from, note, runtimes } = found;
  const memory = runtimes.some((r) => r.memory);
  return {
    title: 'In stock runtimes',
    text: [
      samples > 0
        ? `The written file and the original, in turn, on ${samples} ${samples === 1 ? 'sample' : 'samples'} of ${from}: one sample at once, one thread, medians of processor time. Differences are to Kappa’s executor, relative to the largest output.`
        : 'It was not run.',
      ...(note === null ? [] : [note]),
      ...runtimes.flatMap(remarks),
    ],
    table: {
      columns: [
        'runtime',
        'verdict',
        'difference',
        'allowed',
        'load, ms',
        'original',
        'run, ms',
        'original',
        ...(memory ? ['memory', 'original'] : []),
      ],
      rows: runtimes.map((r) => [
        `${r.runtime} ${r.version}`,
        r.status,
        orDash(r.difference, (d) => d.toExponential(1)),
        r.bound.toExponential(0),
        ...times(r.load),
        ...times(r.run),
        ...(memory ? [r.memory && formatBytes(r.memory.written), r.memory && formatBytes(r.memory.original)] : []).map(
          (v) => v ?? undefined,
        ),
      ]),
    },
  };
}

function times(found: RuntimeTimes | null): readonly [string | undefined, string | undefined] {
  return found ? [formatNumber(found.written, 3), formatNumber(found.original, 3)] : [undefined, undefined];
}

function remarks({ runtime, reason, required, status, defaultDifference, bound }: RuntimeResult): string[] {
  return [
    ...(reason === null ? [] : [`${runtime}: ${reason}`]),
    ...(!required && (status === 'differs' || status === 'refused')
      ? [`${runtime} is not what the file was written for.`]
      : []),
    ...(defaultDifference === null || defaultDifference <= bound
      ? []
      : [
          `${runtime} with its default options multiplies decoded weights with activations rounded to 8 bits: its outputs differ by ${defaultDifference.toExponential(1)} then; the session entry session.qdq_matmulnbits_accuracy_level = '0' keeps it from that.`,
        ]),
  ];
}
