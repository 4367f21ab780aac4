/** Values of flags: sizes, numbers, lists and bit widths. Every refusal is a UsageError that names the flag. */
import { UsageError } from '../errors.ts';
import { printable } from '../report/text.ts';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

function refuse(flag: string, expected: string, text: string): never {
  throw new UsageError(`${flag}: expected ${expected}, got '${printable(text)}'`);
}

/** Bytes from '1.2MB', '900kB', '4GiB' or plain '1200000': kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024. At least 1. */
export function parseSize(text: string, flag = 'size'): number {
  const expected = "a size such as '1.2MB', '900kB', '4GiB' or a number of bytes";
  const match = /^(\d+(?:\.\d*)?|\.\d+) ?([a-z]*)$/i.exec(text.trim());
  const unit = match ? UNITS[match[2]!.toLowerCase()] : undefined;
  if (!match || unit === undefined) refuse(flag, expected, text);
  const bytes = Math.round(Number(match[1]) * unit);
  if (bytes < 1 || !Number.isSafeInteger(bytes)) refuse(flag, 'a size of at least 1 byte and less than 2^53', text);
  return bytes;
}

export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  readonly integer?: boolean;
}

/** A finite number in decimal notation ('4.5', '1e-3') within the range, ends included. */
export function parseNumber(
  text: string,
  flag: string,
  { min = -Infinity, max = Infinity, integer = false }: NumberRange = {},
): number {
  const value = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value) || value < min || value > max || (integer && !Number.isSafeInteger(value))) {
    const kind = integer ? 'a whole number' : 'a number';
    const range =
      min > -Infinity && max < Infinity
        ? ` from ${min} to ${max}`
        : min > -Infinity
          ? ` >= ${min}`
          : max < Infinity
            ? ` <= ${max}`
            : '';
    refuse(flag, kind + range, text);
  }
  return value;
}

/** Names between commas, spaces around them dropped; each at most once. */
export function parseList(text: string, flag: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.some((name) => name === '')) refuse(flag, 'names between commas', text);
  return [...new Set(names)];
}

/** Widths a weight can have. */
export const WIDTHS: readonly number[] = [2, 3, 4, 5, 6, 7, 8, 16];

/** Widths that hardware holds as they are. */
export const HARDWARE_WIDTHS: readonly number[] = [4, 8, 16];

/**
 * Bit widths, ascending, each once: 'hardware' (4, 8, 16), a list ('2,4,8'), ranges of all widths between two ('2-8', also
 * '2:8'), or both ('2-4,8').
 */
export function parseWidths(text: string, flag = '--widths'): number[] {
  const expected = "'hardware', a range such as '2-8' or a list such as '2,4,8' of widths 2 to 8 and 16";
  if (text.trim() === 'hardware') return [...HARDWARE_WIDTHS];
  const chosen = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\d{1,2})(?:[-:](\d{1,2}))?$/.exec(part.trim());
    if (!match) refuse(flag, expected, text);
    const low = Number(match[1]);
    const high = match[2] === undefined ? low : Number(match[2]);
    if (low > high || !WIDTHS.includes(low) || !WIDTHS.includes(high)) refuse(flag, expected, text);
    for (const width of WIDTHS) if (width >= low && width <= high) chosen.add(width);
  }
  return [...chosen].sort((a, b) => a - b);
}

/** Budgets in average bits: a range of whole numbers ('2:8', also '2-8') or a list of numbers ('2.5,3.1'). Ascending, each once. */
export function parseBudgets(text: string, flag = '--bits'): number[] {
  const range = /^(\d{1,2})[-:](\d{1,2})$/.exec(text.trim());
  if (range) {
    const [low, high] = [Number(range[1]), Number(range[2])];
    if (low > high || low < 1 || high > 16) refuse(flag, 'a range within 1 to 16', text);
    return Array.from({ length: high - low + 1 }, (_, i) => low + i);
  }
  const list = text.split(',').map((part) => parseNumber(part.trim(), flag, { min: 1, max: 32 }));
  return [...new Set(list)].sort((a, b) => a - b);
}
