/** Cases that are a model: run by Kappa's Session and by onnxruntime, from the same file on the same feeds. */
import { readModel, Session, type Tensor } from '../../../src/node.ts';
import type { Clock } from '../../../src/report/bench.ts';
import { type BenchCase, type Lab, type Row, type Side, sideOf } from '../lab.ts';
import { difference, type Work } from '../measure.ts';
import { type Engine, ortModel } from '../peers/ort.ts';

export const ENGINES: readonly Engine[] = ['onnxruntime-web', 'onnxruntime-node'];

export interface ModelInput {
  readonly bytes: Uint8Array;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

export interface ModelCase {
  readonly name: string;
  /** Made when the case runs; the same each time. */
  readonly make: () => ModelInput | Promise<ModelInput>;
  /** Largest difference from the peers' results that is taken for the same. */
  readonly tolerance: number;
  /** How results are compared; the largest difference relative to the largest element where absent. */
  readonly differ?: (a: ArrayLike<number>, b: ArrayLike<number>) => number;
  readonly engines?: readonly Engine[];
  readonly clock?: Clock;
  /** Further peers, given our result. */
  readonly others?: { readonly peers: readonly string[]; sides(input: ModelInput, ours: Tensor): Promise<Others> };
}

export interface Others {
  readonly sides: readonly Side[];
  close(): void;
}

export function modelCase(c: ModelCase): BenchCase {
  const engines = c.engines ?? ENGINES;
  return {
    name: c.name,
    peers: [...engines, ...(c.others?.peers ?? [])],
    run: (lab) => runModelCase(lab, c, engines),
  };
}

async function runModelCase(lab: Lab, c: ModelCase, engines: readonly Engine[]): Promise<Row[]> {
  const input = await c.make();
  const session = new Session(readModel(input.bytes, c.name), await lab.kernels());
  const closing: (() => unknown)[] = [() => session.dispose()];
  try {
    const ours = session.run(input.feeds);
    const sides: Side[] = [];
    for (const engine of engines)
      sides.push(
        await sideOf(engine, c.tolerance, async () => {
          const model = await ortModel(engine, input.bytes, input.feeds);
          closing.push(() => model.close());
          return { work: model.call as Work, difference: outputsDiffer(ours, await model.run(), c.differ) };
        }),
      );
    if (c.others) {
      const others = await c.others.sides(input, ours[session.outputs[0]!.name]!);
      closing.push(() => others.close());
      sides.push(...others.sides);
    }
    return await lab.rows(c.name, () => session.run(input.feeds), sides, c.clock);
  } finally {
    for (const close of closing) await close();
  }
}

/** The largest difference over all outputs. */
export function outputsDiffer(
  ours: Readonly<Record<string, Tensor>>,
  theirs: Readonly<Record<string, Tensor>>,
  differ = difference,
): number {
  let most = 0;
  for (const [name, t] of Object.entries(ours)) {
    const other = theirs[name];
    if (!other || other.dims.join() !== t.dims.join()) return Number.POSITIVE_INFINITY;
    most = Math.max(most, differ(t.data as ArrayLike<number>, other.data as ArrayLike<number>));
  }
  return most;
}
