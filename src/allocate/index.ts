export type { GeneralObjective, Objective, SeparableObjective } from './objectives.ts';
export { getObjective, objectiveNames, registerObjective } from './objectives.ts';
export type { Budget, OptimizerOptions } from './optimizer.ts';
export { BitWidthOptimizer } from './optimizer.ts';
export { HARDWARE_WIDTHS } from './problem.ts';
export { parseCostTable, parsePlan } from './json.ts';
export type { StrategyName } from './strategies.ts';
export { strategyNames } from './strategies.ts';
export type * from './types.ts';
