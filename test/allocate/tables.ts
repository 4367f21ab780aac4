import type { Choice, CostTable } from '../../src/allocate/types.ts';
import { random } from '../helpers.ts';

export interface TableOptions {
  layers: number;
  widths: readonly number[];
  seed: number;
  /** 'model': 4^-b with noise, as measured; 'wild': any damages, neither convex nor monotone; 'flat': nearly proportional to the bytes saved. */
  kind: 'model' | 'wild' | 'flat';
  params?: (next: () => number) => number;
}

/** A random cost table. */
export function randomTable({ layers, widths, seed, kind, params }: TableOptions): CostTable {
  const next = random(seed);
  return {
    version: 1,
    metric: 'test',
    unit: 'kl',
    samples: 1,
    layers: Array.from({ length: layers }, (_, l) => {
      const n = params ? params(next) : 256 + Math.floor(next() * 20000);
      const scale = 10 ** (next() * 4 - 2);
      const choices: Choice[] = widths.map((bits) => {
        const bytes = Math.ceil((n * bits) / 8) + 2 * Math.ceil(n / 64);
        let damage = scale * 4 ** -bits * (0.7 + 0.6 * next());
        if (kind === 'wild') damage = next() < 0.1 ? 0 : next() * scale;
        if (kind === 'flat') damage = Math.max(0, (n * (16 - bits)) / 8 + next());
        return { bits, damage, bytes, measured: true };
      });
      return { name: `layer${l}`, weight: `w${l}`, opType: 'MatMul', params: n, choices };
    }),
  };
}

/** Every way to choose one width a layer: [bytes, damages]. */
export function* allPlans(table: CostTable): Generator<{ bits: number[]; bytes: number; damages: number[] }> {
  const radix = table.layers.map((l) => l.choices.length);
  const total = radix.reduce((a, b) => a * b, 1);
  for (let n = 0; n < total; n++) {
    let rest = n;
    const picks = table.layers.map((l, i) => {
      const c = l.choices[rest % radix[i]!]!;
      rest = Math.floor(rest / radix[i]!);
      return c;
    });
    yield {
      bits: picks.map((c) => c.bits),
      bytes: picks.reduce((s, c) => s + c.bytes, 0),
      damages: picks.map((c) => c.damage),
    };
  }
}

export const sum = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0);
