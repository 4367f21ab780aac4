/** Where cases run: the kernels of one build, the pace, and the helpers that turn works into rows. */
import { loadKernels, UnsupportedError, type Wasm } from '../../src/node.ts';
import type { Build, Clock, RowDetail } from '../../src/report/bench.ts';
import { interleave, PACE, type Pace, QUICK, speedRatio, timeOf, type Work } from './measure.ts';
import { Absent } from './peers/load.ts';

/** A row as a case gives it: the goal and the build are the runner's to add. */
export interface Row {
  readonly name: string;
  readonly peer: string;
  readonly ratio: number | null;
  readonly ours_ms: number | null;
  readonly peer_ms: number | null;
  readonly detail: RowDetail;
}

export interface BenchCase {
  readonly name: string;
  /** Peers it has a row against. */
  readonly peers: readonly string[];
  run(lab: Lab): Promise<Row[]>;
}

/** Cases that share a process. */
export interface Group {
  readonly name: string;
  /** Builds it is measured in; both where absent. */
  readonly builds?: readonly Build[];
  readonly cases: readonly BenchCase[];
  /** Rows computed from measured ones, by name: `of` gives how often each case counts. */
  readonly sums?: readonly { readonly name: string; readonly of: ReadonlyMap<string, number> }[];
}

/** A peer's part in a case, or why it has none. */
export type Side =
  | {
      readonly peer: string;
      readonly work: Work;
      readonly difference?: number;
      readonly error?: readonly [number, number];
    }
  | { readonly peer: string; readonly status: 'absent' | 'failed'; readonly reason: string };

export class Lab {
  readonly pace: Pace;
  private readonly opened = new Map<number, Promise<Wasm>>();

  constructor(
    readonly build: Build,
    readonly quick: boolean,
  ) {
    this.pace = quick ? QUICK : PACE;
  }

  /** Kernels of this build with that many threads; one instance a process. @throws Absent where there are none */
  kernels(threads = 1): Promise<Wasm> {
    let wasm = this.opened.get(threads);
    if (!wasm) {
      wasm = kernelsOf(this.build, threads);
      this.opened.set(threads, wasm);
    }
    return wasm;
  }

  /** Times our work against those of the sides that have one. */
  async rows(name: string, ours: Work, sides: readonly Side[], clock: Clock = 'cpu', pace = this.pace): Promise<Row[]> {
    const able = sides.flatMap((side) => ('work' in side ? [side] : []));
    const [own, ...others] = await interleave([ours, ...able.map((side) => side.work)], pace);
    return sides.map((side) => {
      if (!('work' in side)) return { ...unmeasured(name, side.peer, clock, side), ours_ms: timeOf(own!, clock) };
      const timing = others[able.indexOf(side)]!;
      const [a, b] = [timeOf(own!, clock), timeOf(timing, clock)];
      return {
        name,
        peer: side.peer,
        ratio: speedRatio(a, b),
        ours_ms: a,
        peer_ms: b,
        detail: {
          clock,
          ...(clock === 'cpu' ? { wall_ms: [own!.wall, timing.wall] as const } : {}),
          ...(side.difference === undefined ? {} : { difference: side.difference }),
          ...(side.error === undefined ? {} : { error: side.error }),
        },
      };
    });
  }
}

export function unmeasured(
  name: string,
  peer: string,
  clock: Clock,
  why: { readonly status: 'absent' | 'failed'; readonly reason: string },
): Row {
  const { status, reason } = why;
  return { name, peer, ratio: null, ours_ms: null, peer_ms: null, detail: { clock, status, reason } };
}

/** Why something could not be measured. */
export function reasonFor(error: unknown): { readonly status: 'absent' | 'failed'; readonly reason: string } {
  const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error);
  return { status: error instanceof Absent ? 'absent' : 'failed', reason };
}

/** A side as `make` makes it, its result within `tolerance` of ours, or why there is none. */
export async function sideOf(
  peer: string,
  tolerance: number,
  make: () => Promise<{ work: Work; difference: number }>,
): Promise<Side> {
  try {
    const { work, difference } = await make();
    if (!(difference <= tolerance))
      throw new Error(`results differ by ${difference.toExponential(2)}, expected ${tolerance} at most`);
    return { peer, work, difference };
  } catch (error) {
    return { peer, ...reasonFor(error) };
  }
}

/** The kernels of a build. @throws Absent where this Node does not run them, or not with as many threads */
export async function kernelsOf(build: Build, threads: number): Promise<Wasm> {
  try {
    const wasm = await loadKernels({ build, threads });
    if (wasm.threads !== threads) throw new Absent(`expected ${threads} threads, there can be ${wasm.threads}`);
    return wasm;
  } catch (error) {
    throw error instanceof UnsupportedError ? new Absent(error.message, { cause: error }) : error;
  }
}
