/** A report for people as plain data: what `pageHtml` makes one self-contained file of. */
import type { Label } from '../types.ts';
import type { Drawn } from './svg.ts';

/** A table of a page. */
export interface PageTable {
  /** What it holds, where that is not what the heading above it says. */
  readonly caption?: string;
  readonly columns: readonly string[];
  /** undefined is shown as a dash; numbers and texts as they are given. */
  readonly rows: readonly (readonly (string | undefined)[])[];
}

/** A plot, and the sentence that stands for it. */
export interface Picture {
  /** One sentence that says what is to be seen, for those who cannot see it. */
  readonly description: string;
  /** The picture for a page that is so many pixels wide. */
  readonly draw: (width: number) => Drawn;
  /** Half the page's width: two stand side by side where there is room. */
  readonly half?: boolean;
  /** Heading of a small one. */
  readonly caption?: string;
}

/** A part of a page under a heading of its own. */
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

/** One of the few figures that say it all, and how it is known. */
export interface PageFigure {
  readonly value: string;
  readonly name: string;
  readonly label?: Label | undefined;
}

/** A page before it becomes HTML: text, tables and plots. */
export interface Page {
  readonly title: string;
  /** The few figures that say it all. */
  readonly figures: readonly PageFigure[];
  readonly text: readonly string[];
  readonly sections: readonly PageSection[];
  /** The report in full, embedded as JSON. */
  readonly data: unknown;
}
