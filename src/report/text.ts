/**
 * Text for a terminal: tables without borders, and numbers as people read them. Plain results come in, strings go out;
 * nothing here colours or prints.
 */
import Table from 'cli-table3';
import { formatScientific, special } from './scientific.ts';

export { formatScientific } from './scientific.ts';

export interface Column {
  readonly title: string;
  /** Default: 'right' where every cell of the column is a number or starts like one, 'left' otherwise. */
  readonly align?: 'left' | 'right';
  /** Applied to a cell's text last, for colours: may add escape sequences, must not change what is visible. */
  readonly style?: (text: string) => string;
}

export type CellValue = string | number | undefined;

export interface TableOptions {
  /** Spaces before every line; default 2. */
  readonly indent?: number;
}

const EMPTY = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
} as const;

const NUMERIC = /^[<>~±+-]?\d|^(?:NaN|-?inf|-|)$/;

/**
 * The text with every control character replaced by U+FFFD. Names come out of model files: one that holds a line break or
 * a terminal escape sequence must not break a table or command a terminal.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

function cellText(cell: CellValue): string {
  return cell === undefined ? '-' : typeof cell === 'number' ? formatNumber(cell) : printable(cell);
}

/**
 * A table: a line of titles, a line a row, columns two spaces apart, no trailing spaces, no final line break. A cell that
 * is undefined prints as '-', a number as `formatNumber` has it.
 * @throws RangeError where a row has not one cell a column
 */
export function formatTable(
  columns: readonly (Column | string)[],
  rows: readonly (readonly CellValue[])[],
  options: TableOptions = {},
): string {
  const indent = options.indent ?? 2;
  if (!Number.isInteger(indent) || indent < 0) throw new RangeError(`indent: expected an integer >= 0, got ${indent}`);
  const full = columns.map((column): Column => (typeof column === 'string' ? { title: column } : column));
  const cells = rows.map((row, i) => {
    if (row.length !== full.length)
      throw new RangeError(`table row ${i}: expected ${full.length} cells, got ${row.length}`);
    return row.map(cellText);
  });
  const colAligns = full.map(
    ({ align }, j) => align ?? (cells.length > 0 && cells.every((row) => NUMERIC.test(row[j]!)) ? 'right' : 'left'),
  );
  const table = new Table({
    chars: EMPTY,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colAligns,
  });
  // as a row, not as `head`: the library's head row brings a border of its own
  table.push(full.map(({ title }) => printable(title)));
  for (const row of cells) table.push(row.map((text, j) => full[j]!.style?.(text) ?? text));
  const margin = ' '.repeat(indent);
  return table
    .toString()
    .split('\n')
    .map((line) => (margin + line).trimEnd())
    .join('\n');
}

/** Whole numbers in groups of three; others with `digits` significant digits, with an exponent below 1e-3 or from 1e6 on. */
export function formatNumber(x: number, digits = 4): string {
  const name = special(x);
  if (name !== undefined) return name;
  if (Number.isSafeInteger(x)) return formatCount(x);
  const size = Math.abs(x);
  if (size < 1e-3 || size >= 1e6) return formatScientific(x, digits);
  const text = x.toPrecision(digits);
  return text.includes('e') ? String(Number(text)) : text;
}

/** A whole number in groups of three: 1,234,567. Others are rounded first. */
export function formatCount(n: number): string {
  return special(n) ?? n.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',');
}

const BYTE_UNITS = ['kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Bytes in decimal units (1 kB = 1000 B), three significant digits: 512 B, 1.20 MB. Whole bytes below 1000. */
export function formatBytes(bytes: number): string {
  const name = special(bytes);
  if (name !== undefined) return name;
  if (Math.abs(bytes) < 999.5) return `${bytes.toFixed(0)} B`;
  let value = bytes / 1000;
  let unit = 0;
  // 999.5 would round up to four digits
  while (Math.abs(value) >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const size = Math.abs(value);
  return `${value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0)} ${BYTE_UNITS[unit]}`;
}

/** A fraction of 1 as a percentage: 0.9752 is 97.52%. */
export function formatPercent(fraction: number, decimals = 2): string {
  const name = special(fraction);
  return name ?? `${(fraction * 100).toFixed(decimals)}%`;
}

/** A difference of two fractions in percentage points, with its sign: -0.31%. What rounds to nothing has none: 0.00%. */
export function formatChange(fraction: number, decimals = 2): string {
  const text = formatPercent(fraction, decimals);
  if (/^-0\.?0*%$/.test(text)) return text.slice(1);
  return fraction > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** Bits: whole as they are, others with two decimals: 4, 4.10. */
export function formatBits(bits: number): string {
  return special(bits) ?? (Number.isInteger(bits) ? String(bits) : bits.toFixed(2));
}

/** A factor with three significant digits: 7.81x. */
export function formatRatio(ratio: number): string {
  const name = special(ratio);
  return name ?? `${Math.abs(ratio) >= 999.5 ? formatCount(ratio) : ratio.toPrecision(3)}x`;
}

/** Seconds: 0.42 s, 12.3 s, 4 min 05 s, 2 h 07 min. */
export function formatSeconds(seconds: number): string {
  const name = special(seconds);
  if (name !== undefined) return name;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}
