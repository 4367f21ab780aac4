/** Interleaved timing and its statistics. */
import type { Clock } from '../../src/report/bench.ts';

/**
 * One thing that is timed: a function, synchronous or not (what comes back is waited for where it is a promise), or something in
 * another process that times itself, one call at a time.
 */
export type Work = (() => unknown) | { readonly elsewhere: () => Promise<Timing> };

export interface Timing {
  /** Medians over the rounds, in milliseconds a call. */
  readonly cpu: number;
  readonly wall: number;
}

/** @throws RangeError for no values, or for one that is not a number */
export function median(values: readonly number[]): number {
  if (values.length === 0 || values.some((v) => !Number.isFinite(v)))
    throw new RangeError(`median: expected finite numbers, found [${values}]`);
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The peer's time / ours. @throws RangeError for times that are not above 0 */
export function speedRatio(ours: number, peer: number): number {
  if (!(ours > 0 && peer > 0 && Number.isFinite(ours) && Number.isFinite(peer)))
    throw new RangeError(`ratio: expected two times above 0, found ${ours} and ${peer}`);
  return peer / ours;
}

export interface Pace {
  /** Rounds: in each, every work is timed once. */
  readonly rounds: number;
  /** Least time a work is repeated for within a round, in milliseconds. */
  readonly least: number;
  /** Time each work is repeated for before anything is timed: engines compile twice. 0 for works that are warm. */
  readonly warmUp: number;
}

export const PACE: Pace = { rounds: 9, least: 40, warmUp: 500 };
export const QUICK: Pace = { rounds: 7, least: 15, warmUp: 250 };

/**
 * Times several works against each other: after a warm-up of each, rounds in which all of them run one after the other,
 * every second round in reverse, so that whatever else the machine does falls on all alike.
 * @returns a timing a work, in order
 */
export async function interleave(works: readonly Work[], pace: Pace): Promise<Timing[]> {
  const repeats: number[] = [];
  for (const work of works) repeats.push(await warmUp(work, pace));
  const cpu = works.map((): number[] => []);
  const wall = works.map((): number[] => []);
  for (let round = 0; round < pace.rounds; round++) {
    for (let k = 0; k < works.length; k++) {
      const i = round % 2 === 0 ? k : works.length - 1 - k;
      const taken = await timed(works[i]!, repeats[i]!);
      cpu[i]!.push(taken.cpu);
      wall[i]!.push(taken.wall);
    }
  }
  return works.map((_, i) => ({ cpu: median(cpu[i]!), wall: median(wall[i]!) }));
}

/** @returns how often to call the work within a round */
async function warmUp(work: Work, { warmUp, least }: Pace): Promise<number> {
  if (warmUp === 0) return 1;
  const start = performance.now();
  let last = 0;
  for (let n = 0; n < 2 || performance.now() - start < warmUp; n++) {
    const before = performance.now();
    await timed(work, 1);
    last = performance.now() - before;
    // a work longer than the warm-up itself has run its loops often enough
    if (n === 0 && last > warmUp) break;
  }
  return Math.max(1, Math.ceil(least / Math.max(last, 1e-3)));
}

/** Time of one call, in milliseconds, over `repeats` of them. */
export async function timed(work: Work, repeats: number): Promise<Timing> {
  if (typeof work !== 'function') return averaged(work.elsewhere, repeats);
  const used = process.cpuUsage();
  const start = performance.now();
  for (let n = 0; n < repeats; n++) {
    const result = work();
    if (result instanceof Promise) await result;
  }
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(used);
  return { cpu: Math.max(user + system, 1) / 1000 / repeats, wall: wall / repeats };
}

async function averaged(once: () => Promise<Timing>, repeats: number): Promise<Timing> {
  let [cpu, wall] = [0, 0];
  for (let n = 0; n < repeats; n++) {
    const taken = await once();
    cpu += taken.cpu / repeats;
    wall += taken.wall / repeats;
  }
  return { cpu, wall };
}

/** The time a row is about. */
export const timeOf = (timing: Timing, clock: Clock): number => (clock === 'wall' ? timing.wall : timing.cpu);

/** Largest |a - b| relative to the largest |b|; Infinity where lengths differ, or one has NaN where the other has not. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (Number.isNaN(x) && Number.isNaN(y)) continue;
    const d = Math.abs(x - y);
    if (!(d < Number.POSITIVE_INFINITY) && x !== y) return Number.POSITIVE_INFINITY;
    if (d > most) most = d;
    if (Math.abs(y) > largest) largest = Math.abs(y);
  }
  return largest === 0 ? most : most / largest;
}

/** |a - b| / |b|, in the 2-norm: for results that are rounded to a grid on the way. */
export function normDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [d, s] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    d += (a[i]! - b[i]!) ** 2;
    s += b[i]! ** 2;
  }
  if (!Number.isFinite(d)) return Number.POSITIVE_INFINITY;
  return s === 0 ? Math.sqrt(d) : Math.sqrt(d / s);
}
