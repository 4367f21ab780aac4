/** Pieces that several pages share. */
import { damageIn } from '../parts.ts';
import { formatBytes, formatCount, formatNumber } from '../text.ts';
import type { Guarantee, Made, QuantizeReport } from '../types.ts';
import type { PageSection } from './page.ts';

/** How damage is headed on a page, what one is on an axis, and in words. */
export function unitOf(unit: QuantizeReport['unit']) {
  const { title, scale, format } = damageIn(unit);
  const name = unit === 'kl' ? 'KL × 10³' : title;
  const words = {
    kl: 'Damage is the KL divergence of the quantized model’s outputs from the original’s, a mean over predictions, in thousandths of a nat (KL × 10³); 0 where nothing changed.',
    nse: 'Damage is the squared error of the outputs over their squared norm; 0 where nothing changed.',
    proxy:
      'Without data no damage can be measured: a proxy made of the weights alone takes its place, good for an order at most.',
  }[unit];
  return { title: name, axis: unit === 'kl' ? 'KL × 10³, nats' : title, words, scale, format };
}

/** A value as a logarithmic axis can show it. */
export function positive(value: number | null | undefined): number | null {
  return value !== null && value !== undefined && value > 0 && Number.isFinite(value) ? value : null;
}

/** A value and half the width of its interval. */
export function withError(
  value: number | null,
  error: number | null,
  format: (v: number | null) => string | undefined,
): string | undefined {
  const text = format(value);
  return text === undefined || error === null || !(error > 0) ? text : `${text} ± ${format(error)}`;
}

export function guaranteesSection(list: readonly Guarantee[]): PageSection | undefined {
  if (list.length === 0) return undefined;
  return {
    title: 'What is known, and how',
    text: [
      'Proved: follows from a theorem whose conditions were checked. Measured: counted on that many samples. Proxy: a guess that orders, no more.',
    ],
    items: list.map(({ label, statement, value, samples }) => ({
      mark: `[${label}]`,
      text: `${statement}${value === null ? '' : `: ${formatNumber(value)}`}${samples === null ? '' : ` (${formatCount(samples)} samples)`}`,
    })),
  };
}

/** What makes the same again: the command, what it ran on, and checksums of what went in and came out. */
export function againSection({ kappa }: { readonly kappa: string }, command: string, made?: Made): PageSection {
  const versions = Object.entries({ kappa, ...made?.versions }).map(([name, version]) => `${name} ${version}`);
  return {
    title: 'How to make it again',
    text: [`${versions.join(', ')}. The same input and settings give the same bytes.`],
    code: command,
    ...(made &&
      made.files.length > 0 && {
        table: {
          caption: 'Files and their checksums',
          columns: ['file', 'as', 'size', 'SHA-256'],
          rows: made.files.map((f) => [f.name, f.role, formatBytes(f.bytes), f.sha256]),
        },
      }),
  };
}

/** Weights that stay as they are, by reason. */
export function leftSection(left: QuantizeReport['left']): PageSection | undefined {
  if (left.length === 0) return undefined;
  const reasons = new Map<string, string[]>();
  for (const { weight, reason } of left) reasons.set(reason, [...(reasons.get(reason) ?? []), weight]);
  return {
    title: 'Left in float',
    table: {
      columns: ['why', 'tensors', 'which'],
      rows: [...reasons].map(([reason, names]) => [
        reason,
        formatCount(names.length),
        `${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`,
      ]),
    },
  };
}
