import { COMMON } from './common.ts';
import type { Op } from './op.ts';
import { RARE } from './rare.ts';
import { addOperators } from './registry.ts';

/** Domain ('' is ai.onnx) to operator type to operator: everything Kappa runs. Whoever imports this has all of it from the start. */
export const OPERATORS: ReadonlyMap<string, ReadonlyMap<string, Op>> = new Map(
  [...RARE].map(([domain, table]) => [domain, new Map([...(COMMON.get(domain) ?? []), ...table])]),
);

addOperators(RARE);

export { findOperator, OPSETS } from './registry.ts';
