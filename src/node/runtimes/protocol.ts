/** What a process that runs a stock runtime is told, and what it tells. */
import type { RuntimeName, Values } from '../../verify/runtime.ts';

/** A model on disk: its file, and those that hold its tensors by the names it has for them. */
export interface ModelPath {
  readonly path: string;
  readonly data: readonly { readonly location: string; readonly path: string }[];
}

export type Which = 'original' | 'written';

export interface Task {
  readonly runtime: RuntimeName;
  /** File of the package's entry. */
  readonly module: string;
  /** The files, in the order they are to be loaded in. */
  readonly files: Readonly<Partial<Record<Which, ModelPath>>>;
  /** What each is run on once, its outputs told. */
  readonly samples: readonly Values[];
  /** Whether the written file is also run with the runtime's default options. */
  readonly defaults: boolean;
  /** What running is timed on, a figure each; none times nothing, loading neither. */
  readonly timed: readonly Values[];
  /** Rounds of every timing, and most milliseconds for each of them, where that does not leave fewer than 3 rounds. */
  readonly rounds: number;
  readonly budget: number;
  /** Milliseconds of processor time for which both files run before running is timed. */
  readonly warmUp: number;
  /**
   * Whether an engine in WebAssembly is compiled as well as can be before it does anything, which takes some seconds; else it is
   * compiled again as it runs, and what was timed meanwhile may be told too long, by as much for either file.
   */
  readonly compiled: boolean;
  /** Whether the memory that the files need is told. */
  readonly memory: boolean;
}

/** Milliseconds of processor time, one a round. */
export interface Rounds {
  readonly written: readonly number[];
  readonly original: readonly number[];
}

export type Stage = 'starting' | Which | 'defaults' | 'loading' | 'running';

export type Message =
  /** What is done next. */
  | { readonly stage: Exclude<Stage, 'starting'> }
  | { readonly outputs: Which | 'defaults'; readonly values: readonly Values[] }
  | { readonly load: Rounds }
  | { readonly run: Rounds; readonly index: number }
  /** Bytes beyond what the runtime needs without a model. */
  | { readonly memory: number }
  | { readonly failed: string }
  | { readonly done: true };
