/** Layer names on the command line: exact, or with * for any run of characters and ? for one. */
import { UsageError } from '../errors.ts';
import { printable } from '../report/text.ts';

export interface Named {
  readonly name: string;
  readonly weight: string;
}

/** Names shown in a refusal. */
const SHOWN = 8;

/** Names of the layers whose name or weight is that, or matches it, in the order given. @throws UsageError where none does */
export function matching(layers: readonly Named[], pattern: string, flag: string): string[] {
  const exact = layers.filter((l) => l.name === pattern || l.weight === pattern);
  if (exact.length > 0) return exact.map((l) => l.name);
  const test = glob(pattern);
  const found = layers.filter((l) => test(l.name) || test(l.weight));
  if (found.length > 0) return found.map((l) => l.name);
  const names = layers.slice(0, SHOWN).map((l) => printable(l.name));
  const more = layers.length > SHOWN ? `, ... (${layers.length}: kappa inspect lists them)` : '';
  throw new UsageError(`${flag}: no layer matches '${printable(pattern)}'; there are ${names.join(', ')}${more}`);
}

/** Linear in the text for every star: patterns come from users, names from files. */
function glob(pattern: string): (text: string) => boolean {
  return (text) => {
    let p = 0;
    let star = -1;
    let resume = 0;
    for (let t = 0; t < text.length; ) {
      if (pattern[p] === '*') {
        star = p++;
        resume = t;
      } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
        p++;
        t++;
      } else if (star >= 0) {
        p = star + 1;
        t = ++resume;
      } else return false;
    }
    while (pattern[p] === '*') p++;
    return p === pattern.length;
  };
}

const PIN_WIDTHS = [2, 3, 4, 5, 6, 7, 8, 16, 32];

/** 'NAME=BITS' for every --pin; of two that name the same layer the last counts. */
export function parsePins(texts: readonly string[], layers: readonly Named[]): Map<string, number> {
  const pins = new Map<string, number>();
  for (const text of texts) {
    const at = text.lastIndexOf('=');
    const bits = Number(text.slice(at + 1));
    if (at <= 0 || !/^\d+$/.test(text.slice(at + 1)) || !PIN_WIDTHS.includes(bits))
      throw new UsageError(`--pin: expected NAME=BITS with bits 2 to 8, 16, or 32 for float, got '${printable(text)}'`);
    for (const name of matching(layers, text.slice(0, at), '--pin')) pins.set(name, bits);
  }
  return pins;
}

/** Layers left in float: every --exclude. */
export function parseExclusions(texts: readonly string[], layers: readonly Named[]): string[] {
  return [...new Set(texts.flatMap((text) => matching(layers, text, '--exclude')))];
}

/** Groups that share a width: every --tie is one, of all its names between commas match. */
export function parseTies(texts: readonly string[], layers: readonly Named[]): string[][] {
  return texts.map((text) => {
    const names = [...new Set(text.split(',').flatMap((part) => matching(layers, part.trim(), '--tie')))];
    if (names.length < 2)
      throw new UsageError(`--tie: expected two layers or more, '${printable(text)}' is only ${printable(names[0]!)}`);
    return names;
  });
}
