import type { Op } from './op.ts';

/** Domain ('' is ai.onnx) to operator type to operator. */
export type Tables = ReadonlyMap<string, ReadonlyMap<string, Op>>;

/** What families export that is an operator: the names ONNX gives them, capitalized. */
export function operators(...families: readonly object[]): ReadonlyMap<string, Op> {
  const table = new Map<string, Op>();
  for (const family of families)
    for (const [name, value] of Object.entries(family)) if (Array.isArray(value)) table.set(name, value as Op);
  return table;
}
