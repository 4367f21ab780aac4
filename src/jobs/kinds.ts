import type { BitWidthOptimizer } from '../allocate/optimizer.ts';
import type { StrategyName } from '../allocate/strategies.ts';
import type { Plan } from '../allocate/types.ts';
import type { RowPlans } from './row-plans.ts';

/** A way to make a plan out of a budget of bytes; undefined where it has none within it. */
export interface Kind {
  readonly name: string;
  /** Shown even where another plan has the same widths. */
  readonly always: boolean;
  /** @param file whether the bytes are those of a file, less what it takes at the smallest widths beside the weights' own */
  readonly plan: (bytes: number, file: boolean) => Plan | undefined;
}

/** Plans of the table that are measured together beside uniform ones. */
const JOINT_CANDIDATES = 4;

/** Widths layer by layer, as the table and the strategy have them. */
export function layerKinds(optimizer: BitWidthOptimizer, strategy: StrategyName): Kind[] {
  const within = (bytes: number) => ({ bytes: Math.min(bytes, optimizer.limits.maxBytes) });
  const chosen: Kind = { name: strategy, always: false, plan: (bytes) => optimizer.optimize(within(bytes), strategy) };
  if (strategy !== 'best') return [chosen];
  const known = new Map<number, Plan[]>();
  const candidates = (bytes: number): Plan[] => {
    const plans = known.get(bytes) ?? optimizer.candidates(within(bytes), JOINT_CANDIDATES);
    known.set(bytes, plans);
    return plans;
  };
  return [
    chosen,
    ...Array.from(
      { length: JOINT_CANDIDATES - 1 },
      (_, i): Kind => ({ name: `candidate ${i + 2}`, always: false, plan: (bytes) => candidates(bytes)[i + 1] }),
    ),
  ];
}

/** What any plan has to beat. */
export function uniformKinds(optimizer: BitWidthOptimizer): Kind[] {
  const within = (bytes: number) => ({ bytes: Math.min(bytes, optimizer.limits.maxBytes) });
  return [
    { name: 'uniform', always: true, plan: (bytes) => optimizer.uniform(within(bytes)) },
    { name: 'uniform, ends at 8', always: false, plan: (bytes) => optimizer.uniformEnds(within(bytes)) },
  ];
}

/** A width for every row. */
export function rowKind(name: string, rows: RowPlans): Kind {
  return { name, always: false, plan: (bytes, file) => rows.within(bytes, { file }) };
}

/** Whether two plans give every row the same width. */
export function sameWidths(a: Plan, b: Plan): boolean {
  return a.layers.every(
    (l, i) =>
      l.bits === b.layers[i]?.bits && (l.rowBits ?? [l.bits]).join() === (b.layers[i]?.rowBits ?? [l.bits]).join(),
  );
}
