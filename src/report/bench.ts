import { PLAIN, type ReportOptions } from './style.ts';
import { formatNumber, formatTable, printable } from './text.ts';

/** Builds of the kernels. `plain` gives the same bits on every machine, `relaxed` has fused multiply-add. */
export type Build = 'plain' | 'relaxed';
export const BUILDS: readonly Build[] = ['plain', 'relaxed'];

/** What a row is about: processor time of the whole process, time on the clock, or the peak of resident memory. */
export type Clock = 'cpu' | 'wall' | 'memory';

/** One measured row. Ratios are of speed, the peer's time / ours; of memory, the peer's peak / ours: above 1 we win. */
export interface BenchRow {
  readonly name: string;
  readonly peer: string;
  /** Null where the row could not be measured: `detail` says why. */
  readonly ratio: number | null;
  /** Least ratio wanted; null where none is set. */
  readonly goal: number | null;
  readonly build: Build;
  /** Medians, in milliseconds; null in rows about memory and in rows that were not measured. */
  readonly ours_ms: number | null;
  readonly peer_ms: number | null;
  readonly detail: RowDetail;
}

export interface RowDetail {
  readonly clock: Clock;
  /** The same on the clock, where `ours_ms` is processor time: ours, the peer's. */
  readonly wall_ms?: readonly [number, number];
  /** Peak resident memory in bytes, of rows about memory: ours, the peer's. */
  readonly peak_bytes?: readonly [number, number];
  /** Largest difference between our result and the peer's, relative to the result. */
  readonly difference?: number;
  /** Largest relative error against values known otherwise: ours, the peer's. */
  readonly error?: readonly [number, number];
  /** Why there is no ratio: `absent` rows need something that is not installed, `failed` ones ran and went wrong. */
  readonly status?: 'absent' | 'failed';
  readonly reason?: string;
}

export interface BenchReport {
  readonly cases: readonly BenchRow[];
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: {
    /** Rounds each median is over. */
    readonly rounds: number;
    readonly quick: boolean;
    /** Share of its goal by which a ratio may fall short under --assert. */
    readonly tolerance: number;
    readonly filter: readonly string[];
    /** Version of Node that each build ran in. */
    readonly node: Readonly<Partial<Record<Build, string>>>;
  };
}

/** Whether a row reaches its goal: undefined where it has none. A row that was not measured does not. */
export function reached(row: BenchRow, tolerance: number): boolean | undefined {
  if (row.goal === null) return undefined;
  return row.ratio !== null && row.ratio >= row.goal * (1 - tolerance);
}

/** What --assert objects to, a line a row; nothing where all is well. Rows whose peer is not installed count too. */
export function objections({ cases, settings }: BenchReport): string[] {
  return cases.flatMap((row) => {
    const what = `${row.name} (${row.build}) against ${row.peer}`;
    if (row.detail.status === 'failed') return [`${what}: ${row.detail.reason}`];
    if (reached(row, settings.tolerance) !== false) return [];
    if (row.ratio === null) return [`${what}: not measured: ${row.detail.reason}`];
    return [`${what}: expected a ratio of ${row.goal} at least, found ${row.ratio.toFixed(3)}`];
  });
}

const milliseconds = (ms: number | null): string => (ms === null ? '-' : `${formatNumber(ms, 3)} ms`);
const megabytes = (bytes: number): string => `${formatNumber(bytes / 1e6, 3)} MB`;

/** The two figures a row's ratio is of, as text. */
export function figures(row: BenchRow): readonly [ours: string, peer: string] {
  const peak = row.detail.peak_bytes;
  return peak ? [megabytes(peak[0]), megabytes(peak[1])] : [milliseconds(row.ours_ms), milliseconds(row.peer_ms)];
}

/** The table, the versions, and what went wrong. */
export function benchText(report: BenchReport, { style = PLAIN, all = false }: ReportOptions = {}): string {
  const { cases, settings, versions } = report;
  const measured = cases.filter((row) => row.ratio !== null);
  const table = formatTable(
    [
      'case',
      'build',
      'peer',
      { title: 'ours', align: 'right' },
      { title: 'peer', align: 'right' },
      { title: 'ratio', align: 'right' },
      { title: 'goal', align: 'right' },
      ...(all ? (['time', { title: 'difference', align: 'right' }] as const) : []),
    ],
    measured.map((row) => {
      const met = reached(row, 0);
      const ratio = row.ratio!.toFixed(2);
      return [
        row.name,
        row.build,
        row.peer,
        ...figures(row),
        met === undefined ? ratio : met ? style.good(ratio) : style.bad(ratio),
        row.goal === null ? '-' : `>= ${row.goal}`,
        ...(all ? [row.detail.clock, row.detail.difference?.toExponential(1) ?? '-'] : []),
      ];
    }),
  );
  const errors = measured.flatMap(({ name, build, peer, detail }) =>
    detail.error
      ? [
          `${name} (${build}): largest relative error ${detail.error[0].toExponential(1)}, of ${peer} ${detail.error[1].toExponential(1)}`,
        ]
      : [],
  );
  const rest = cases.flatMap(({ name, build, peer, ours_ms, detail: { status, reason } }) => {
    if (status === undefined) return [];
    const alone = ours_ms === null ? '' : `; ours alone ${milliseconds(ours_ms)}`;
    return [`${style.bad(status)}: ${name} (${build}) against ${peer}: ${printable(reason ?? '')}${alone}`];
  });
  const lines = [
    measured.length > 0 ? table : 'nothing was measured',
    'Ratios are of speed, the peer over ours (of memory the same): above 1 Kappa wins.',
    ...errors,
    ...rest,
    `versions: ${Object.entries({ ...versions, ...nodes(settings.node) })
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
  ];
  return lines.join('\n');
}

function nodes(node: BenchReport['settings']['node']): Record<string, string> {
  return Object.fromEntries(Object.entries(node).map(([build, version]) => [`Node (${build})`, version]));
}
