import { KappaError, MemoryError } from '../errors.ts';
import type { Node } from '../onnx/model.ts';
import type { Runtime } from '../ops/op.ts';
import type { Tensor } from '../tensor.ts';
import { atNode } from './failure.ts';
import { PATTERNS } from './patterns.ts';
import type { Step } from './steps.ts';

/** Several steps that can be run as one. What they make for each other alone is never made then. */
export interface Match {
  /** In running order; only the last one's first output is read outside. */
  readonly members: readonly Step[];
  /** Steps before the members that make what they read and others may read too, but the match does without. */
  readonly borrowed?: readonly Step[] | undefined;
  /**
   * That output, bit for bit what the members make (codes: to one step, as runtimes fuse them); undefined where types or shapes are not what this can run: the members run
   * one by one then.
   * @param value of an input of any member, or of what is borrowed
   */
  run(value: (name: string) => Tensor | undefined, rt: Runtime): Tensor | undefined;
}

/** What patterns look at. */
export interface Uses {
  /** The step that makes a value, unless the run starts with it, or another match has that step. */
  maker(name: string): Step | undefined;
  /** The step that decodes a value from integers, be it constant, whoever else has that step. */
  decoder(name: string): Step | undefined;
  /** The one step that reads a value, where it reads it once and nothing else does, and no other match has it. */
  reader(name: string): Step | undefined;
}

/** Finds steps to run as one, beginning from one of them. */
export type Pattern = (step: Step, uses: Uses) => Match | undefined;

/**
 * The steps with those that match a pattern run as one.
 * @param kept values that are wanted whoever reads them
 * @param constants steps, not among these, that make constants, by what they make; what they read is there
 * @returns `steps` itself where nothing matches
 */
export function fuse(
  steps: readonly Step[],
  kept: ReadonlySet<string>,
  constants: ReadonlyMap<string, Step> = new Map(),
): readonly Step[] {
  const makers = new Map<string, Step>();
  const readers = new Map<string, Step[]>();
  for (const step of steps) {
    for (const name of step.node.outputs) if (name !== '') makers.set(name, step);
    const { inputs } = step.node;
    // What a body reads counts once, as another step's reading would.
    for (const name of [...inputs, ...step.reads.filter((v) => !inputs.includes(v))])
      readers.set(name, [...(readers.get(name) ?? []), step]);
  }
  const taken = new Set<Step>();
  const free = (step: Step | undefined) => (step === undefined || taken.has(step) ? undefined : step);
  const uses: Uses = {
    maker: (name) => free(makers.get(name)),
    decoder: (name) => {
      const step = makers.get(name) ?? constants.get(name);
      return step?.node.opType === 'DequantizeLinear' ? step : undefined;
    },
    reader: (name) => {
      const all = readers.get(name);
      return kept.has(name) || all?.length !== 1 ? undefined : free(all[0]);
    },
  };
  /** By the last member of each match: nothing before it reads what the match makes. */
  const last = new Map<Step, Step>();
  const borrowed = new Set<Step>();
  for (const pattern of PATTERNS)
    for (const step of steps) {
      if (taken.has(step)) continue;
      const match = pattern(step, uses);
      if (match === undefined) continue;
      for (const m of match.members) taken.add(m);
      for (const b of match.borrowed ?? []) borrowed.add(b);
      last.set(match.members.at(-1)!, oneOf(match));
    }
  if (last.size === 0) return steps;
  const left = steps.flatMap((step) => last.get(step) ?? (taken.has(step) ? [] : [step]));
  const read = new Set([...kept, ...left.flatMap((s) => s.reads)]);
  return left.filter((step) => !borrowed.has(step) || step.node.outputs.some((o) => read.has(o)));
}

function oneOf({ members, borrowed = [], run }: Match): Step {
  const all = [...new Set([...borrowed, ...members])];
  const made = new Set(all.slice(0, -1).flatMap((m) => m.node.outputs));
  const reads = [...new Set(all.flatMap((m) => m.reads))].filter((v) => !made.has(v));
  const end = members.at(-1)!.node;
  const opType = members.map((m) => m.node.opType).join('+');
  const node: Node = { ...end, opType, inputs: reads };
  const places = new Map(reads.map((name, i) => [name, i]));
  const again = new Set(
    reads.filter((v) => members.flatMap((m) => [...m.reads, ...m.node.inputs]).filter((u) => u === v).length > 2),
  );
  return {
    node,
    reads,
    again,
    run: (inputs, rt) => {
      try {
        const done = run((name) => inputs[places.get(name) ?? -1], rt);
        if (done !== undefined) return [done];
      } catch (error) {
        // The members say which of them it is.
        if (!(error instanceof KappaError)) throw error;
        // It may have written over what they read.
        if (error instanceof MemoryError) return atNode(node, () => raise(error));
      }
      const values = new Map<string, Tensor | undefined>(reads.map((name, i) => [name, inputs[i]]));
      const value = (name: string) => values.get(name);
      let results: readonly Tensor[] = [];
      for (const m of all) {
        results = m.run(m.node.inputs.map(value), rt);
        m.node.outputs.forEach((name, j) => values.set(name, results[j]));
      }
      return results;
    },
  };
}

function raise(error: Error): never {
  throw error;
}
