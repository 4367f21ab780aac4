/** A report for people as plain data: what `pageHtml` makes one self-contained file of. */
import type { EChartsCoreOption } from 'echarts/core';

export interface PageTable {
  readonly columns: readonly string[];
  /** undefined is shown as a dash; numbers and texts as they are given. */
  readonly rows: readonly (readonly (string | undefined)[])[];
}

export interface Picture {
  /** One sentence that says what is to be seen, for those who cannot see it. */
  readonly description: string;
  readonly option: EChartsCoreOption;
  /** Pixels; the width is that of the page. */
  readonly height: number;
  /** Half the page's width: two stand side by side where there is room. */
  readonly half?: boolean;
  /** Heading of a small one. */
  readonly caption?: string;
}

export interface PageSection {
  readonly title: string;
  /** Paragraphs under the heading. */
  readonly text?: readonly string[];
  readonly pictures?: readonly Picture[];
  /** What stands behind the pictures, in numbers. */
  readonly table?: PageTable;
  /** Whether the table is shown at once; behind pictures it is opened by hand. */
  readonly open?: boolean;
  /** A list, each with a mark before it. */
  readonly items?: readonly { readonly mark: string; readonly text: string }[];
  /** Text to be copied as it is. */
  readonly code?: string;
}

export interface Page {
  readonly title: string;
  /** The few figures that say it all. */
  readonly figures: readonly { readonly value: string; readonly name: string }[];
  readonly text: readonly string[];
  readonly sections: readonly PageSection[];
  /** The report in full, embedded as JSON. */
  readonly data: unknown;
}
