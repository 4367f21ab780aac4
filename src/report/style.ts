/** How a report is emphasised: the caller decides whether these colour or do nothing. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

const same = (text: string): string => text;

/** No emphasis: for files, pipes and tests. */
export const PLAIN: Style = { bold: same, dim: same, good: same, bad: same };

export interface ReportOptions {
  readonly style?: Style | undefined;
  /** True: every row of a long table; otherwise the ones that matter most. */
  readonly all?: boolean | undefined;
}
