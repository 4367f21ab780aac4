import { COMMON } from './common.ts';
import type { Op, OpVersion } from './op.ts';
import type { Tables } from './table.ts';

/** The oldest and newest version of the default domain that Kappa reads. */
export const OPSETS = { oldest: 7, newest: 27 } as const;

/** Tables that are there. No operator is in two of them, so that their order says nothing. */
const loaded = new Set<Tables>([COMMON]);

/** Adds operators for all sessions that are made from now on. */
export function addOperators(tables: Tables): void {
  loaded.add(tables);
}

function operatorNamed(domain: string, opType: string): Op | undefined {
  for (const tables of loaded) {
    const op = tables.get(domain === 'ai.onnx' ? '' : domain)?.get(opType);
    if (op !== undefined) return op;
  }
  return undefined;
}

/** The definition of an operator that serves a model at `opset`, or undefined where there is none, or it is not loaded. */
export function findOperator(domain: string, opType: string, opset: number): OpVersion | undefined {
  let best: OpVersion | undefined;
  for (const v of operatorNamed(domain, opType) ?? []) if (v.since <= opset) best = v;
  return best;
}

/** Whether operators there are could be missing for want of `loadRare`. */
export function lacksRare(): boolean {
  return loaded.size === 1;
}

/** Loads the rare operators where one of those named is not there. */
export async function loadRare(names: Iterable<{ readonly domain: string; readonly opType: string }>): Promise<void> {
  if (!lacksRare()) return;
  for (const { domain, opType } of names)
    if (operatorNamed(domain, opType) === undefined) return addOperators((await import('./rare.ts')).RARE);
}
