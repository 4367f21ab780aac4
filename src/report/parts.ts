/** Pieces that several reports share. */
import { PLAIN, type ReportOptions, type Style } from './style.ts';
import { formatBits, formatNumber, formatTable, printable } from './text.ts';
import type { Guarantee, QuantizeReport } from './types.ts';

/** Rows of a table that are shown unless all are asked for. */
export const MAX_ROWS = 40;
const LINE = 100;

export function styleOf(options: ReportOptions): Style {
  return options.style ?? PLAIN;
}

/** A heading and what stands under it; '' where there is nothing. */
export function section(style: Style, title: string, body: string): string {
  return body === '' ? '' : `${style.bold(title)}\n${body}`;
}

/** Sections, one blank line between them, empty ones left out; ends without a line break. */
export function sections(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n\n');
}

/** Words of a text on lines of at most `width` characters, every line but the first indented. */
export function wrap(text: string, indent: number, width = LINE): string {
  const margin = ' '.repeat(indent);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const limit = width - indent;
    if (line !== '' && line.length + 1 + word.length > limit) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.join(`\n${margin}`);
}

/** Three significant digits, of whole numbers too: 1.00. */
export function significant(x: number): string {
  return x !== 0 && Number.isInteger(x) && Math.abs(x) < 1000 ? x.toPrecision(3) : formatNumber(x, 3);
}

/** How damage in that unit is headed, and one value of it: KL is shown times 1000. */
export function damageIn(unit: QuantizeReport['unit']): {
  readonly title: string;
  /** What values are multiplied by before they are shown. */
  readonly scale: number;
  format(value: number | null): string | undefined;
} {
  if (unit === 'kl')
    return { title: 'KL x 10^3', scale: 1e3, format: (v) => (v === null ? undefined : significant(v * 1e3)) };
  return {
    title: unit === 'nse' ? 'relative squared error' : 'proxy',
    scale: 1,
    format: (v) => (v === null ? undefined : significant(v)),
  };
}

/** A number where there is one. */
export function orDash(value: number | null, format: (value: number) => string): string | undefined {
  return value === null ? undefined : format(value);
}

/** Widths of few layers one by one, means to a tenth; of many how often each occurs: 4 x12, 8 x2; of many means their range. */
export function widthsText(bits: readonly number[], most = 12): string {
  const text = (b: number) => (Number.isInteger(b) ? String(b) : b.toFixed(1));
  if (bits.length <= most) return bits.map(text).join(' ');
  if (!bits.every(Number.isInteger)) return `${text(Math.min(...bits))} to ${text(Math.max(...bits))}`;
  const counts = new Map<number, number>();
  for (const b of bits) counts.set(b, (counts.get(b) ?? 0) + 1);
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([b, n]) => `${b} x${n}`)
    .join(', ');
}

/** A set of widths: 2-8, or 2, 4, 8. */
export function widthSet(widths: readonly number[]): string {
  const first = widths[0];
  const last = widths.at(-1);
  if (first === undefined || last === undefined) return 'none';
  const whole = widths.length > 2 && last - first + 1 === widths.length;
  return whole ? `${first}-${last}` : widths.join(', ');
}

/** What is claimed, each with how it is known. */
export function guaranteesText(style: Style, guarantees: readonly Guarantee[]): string {
  return guarantees
    .map(({ label, statement, value, samples }) => {
      const figure = value === null ? '' : `: ${formatNumber(value)}`;
      const basis = samples === null ? '' : ` (${formatNumber(samples)} samples)`;
      const mark = `[${label}]`;
      const text = wrap(printable(`${statement}${figure}${basis}`), 13);
      return `  ${(label === 'proved' ? style.good : style.dim)(mark)}${' '.repeat(11 - mark.length)}${text}`;
    })
    .join('\n');
}

/** Weights that stay as they are, by reason. */
export function leftText(left: QuantizeReport['left']): string {
  const reasons = new Map<string, string[]>();
  for (const { weight, reason } of left) {
    const names = reasons.get(reason);
    if (names) names.push(weight);
    else reasons.set(reason, [weight]);
  }
  return formatTable(
    ['reason', 'weights', { title: '', align: 'left' }],
    [...reasons].map(([reason, names]) => [
      reason,
      names.length,
      `${names.slice(0, 4).join(', ')}${names.length > 4 ? ', ...' : ''}`,
    ]),
  );
}

/** Most rows of a table, those of the largest weight, in their own order; and what to say of the others. */
export function mostImportant<T>(
  items: readonly T[],
  weight: (item: T) => number,
  all: boolean,
): { readonly shown: readonly T[]; readonly note: string } {
  if (all || items.length <= MAX_ROWS) return { shown: items, note: '' };
  const ranked = items.map((item, i) => ({ i, w: weight(item) })).sort((a, b) => b.w - a.w || a.i - b.i);
  const kept = new Set(ranked.slice(0, MAX_ROWS).map(({ i }) => i));
  return {
    shown: items.filter((_, i) => kept.has(i)),
    note: `\n  and ${items.length - MAX_ROWS} more: --verbose lists all, --json has them all`,
  };
}

/** '4.08 bits a weight'. */
export function averageText(bits: number): string {
  return `${formatBits(bits)} bits a weight`;
}
