import { KappaError } from '../errors.ts';
import type { Node } from '../onnx/model.ts';
import type { Runtime } from '../ops/op.ts';
import type { Tensor } from '../tensor.ts';
import { PATTERNS } from './patterns.ts';
import type { Step } from './steps.ts';

/** Several steps that can be run as one. What they make for each other alone is never made then. */
export interface Match {
  /** In running order; only the last one's first output is read outside. */
  readonly members: readonly Step[];
  /**
   * That output, bit for bit what the members make; undefined where types or shapes are not what this can run: the members run
   * one by one then.
   * @param value of an input of any member
   */
  run(value: (name: string) => Tensor | undefined, rt: Runtime): Tensor | undefined;
}

/** What patterns look at. */
export interface Uses {
  /** The step that makes a value, unless the run starts with it. */
  maker(name: string): Step | undefined;
  /** The one step that reads a value, where it reads it once and nothing else does. */
  reader(name: string): Step | undefined;
}

/** Finds steps to run as one, beginning from one of them. */
export type Pattern = (step: Step, uses: Uses) => Match | undefined;

/**
 * The steps with those that match a pattern run as one.
 * @param kept values that are wanted whoever reads them
 * @returns `steps` itself where nothing matches
 */
export function fuse(steps: readonly Step[], kept: ReadonlySet<string>): readonly Step[] {
  const makers = new Map<string, Step>();
  const readers = new Map<string, Step[]>();
  for (const step of steps) {
    for (const name of step.node.outputs) if (name !== '') makers.set(name, step);
    const { inputs } = step.node;
    // What a body reads counts once, as another step's reading would.
    for (const name of [...inputs, ...step.reads.filter((v) => !inputs.includes(v))])
      readers.set(name, [...(readers.get(name) ?? []), step]);
  }
  const uses: Uses = {
    maker: (name) => makers.get(name),
    reader: (name) => {
      const all = readers.get(name);
      return kept.has(name) || all?.length !== 1 ? undefined : all[0];
    },
  };
  const taken = new Set<Step>();
  const last = new Map<Step, Step>();
  for (const step of steps)
    for (const pattern of PATTERNS) {
      if (taken.has(step)) break;
      const match = pattern(step, uses);
      if (match === undefined || match.members.some((m) => taken.has(m))) continue;
      for (const m of match.members) taken.add(m);
      last.set(match.members.at(-1)!, oneOf(match));
    }
  if (last.size === 0) return steps;
  return steps.flatMap((step) => last.get(step) ?? (taken.has(step) ? [] : [step]));
}

function oneOf({ members, run }: Match): Step {
  const made = new Set(members.slice(0, -1).flatMap((m) => m.node.outputs));
  const reads = [...new Set(members.flatMap((m) => m.reads))].filter((v) => !made.has(v));
  const end = members.at(-1)!.node;
  const opType = members.map((m) => m.node.opType).join('+');
  const node: Node = { ...end, opType, inputs: reads };
  return {
    node,
    reads,
    run: (inputs, rt) => {
      const values = new Map<string, Tensor | undefined>(reads.map((name, i) => [name, inputs[i]]));
      const value = (name: string) => values.get(name);
      try {
        const done = run(value, rt);
        if (done !== undefined) return [done];
      } catch (error) {
        // The members say which of them it is.
        if (!(error instanceof KappaError)) throw error;
      }
      let all: readonly Tensor[] = [];
      for (const m of members) {
        all = m.run(m.node.inputs.map(value), rt);
        m.node.outputs.forEach((name, j) => values.set(name, all[j]));
      }
      return all;
    },
  };
}
