/** bench/goals.json: the least ratio wanted of each row. */
import type { Build } from '../../src/report/bench.ts';
import file from '../goals.json';

export interface Goal {
  readonly name: string;
  readonly peer: string;
  readonly plain?: number;
  readonly relaxed?: number;
}

export const GOALS: readonly Goal[] = file.goals;
/** Share of its goal by which a ratio may fall short under --assert. */
export const TOLERANCE: number = file.tolerance;

/** The goal of a row, null where none is set. */
export function goalOf(name: string, peer: string, build: Build, goals: readonly Goal[] = GOALS): number | null {
  return goals.find((goal) => goal.name === name && goal.peer === peer)?.[build] ?? null;
}
