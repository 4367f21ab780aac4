/** Every case there is. */
import { conversions } from './cases/convert.ts';
import { conv } from './cases/conv.ts';
import { forward } from './cases/forward.ts';
import { gemm } from './cases/gemm.ts';
import { integer } from './cases/integer.ts';
import { pipeline } from './cases/pipeline.ts';
import { quantizedModels } from './cases/quantized.ts';
import { singularValues, tallSingularValues } from './cases/svd.ts';
import { threads } from './cases/threads.ts';
import type { Group } from './lab.ts';

export const GROUPS: readonly Group[] = [
  gemm,
  conv,
  forward,
  quantizedModels,
  integer,
  threads,
  conversions,
  singularValues,
  tallSingularValues,
  pipeline,
];

/** The group with only the cases that a filter names: those with one of the texts in their own name, or in that of a sum they are part of. */
export function selected(group: Group, filter: readonly string[]): Group {
  const wanted = (name: string) => filter.length === 0 || filter.some((text) => name.includes(text));
  const sums = (group.sums ?? []).filter((sum) => wanted(sum.name));
  const cases = group.cases.filter((c) => wanted(c.name) || sums.some((sum) => sum.of.has(c.name)));
  return { ...group, cases, sums };
}
