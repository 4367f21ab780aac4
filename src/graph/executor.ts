import { InterruptedError, MemoryError, ModelError } from '../errors.ts';
import type { Node } from '../onnx/model.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { NodeRuntime, release, retain } from './buffer.ts';
import type { Derived } from './derived.ts';
import { atNode } from './failure.ts';
import type { Plan } from './plan.ts';
import { Residency } from './residency.ts';
import type { Program, Step } from './steps.ts';

/** Called after each node; the tensors are valid during the call only. Nodes folded at construction do not run again. */
export type Observer = (node: Node, inputs: readonly (Tensor | undefined)[], outputs: readonly Tensor[]) => void;

/** What holds for one run and every body run within it. */
export interface Control {
  readonly observe?: Observer | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bodies that may still be run, and how many there were to begin with. */
  left: number;
  readonly limit: number;
}

/** Values by name. */
export type Lookup = (name: string) => Tensor | undefined;

/** Where a node runs: what its bodies see, and what their results belong to. */
interface Place {
  readonly lookup: Lookup;
  readonly runtime: NodeRuntime;
  readonly control: Control;
}

const NONE: readonly Tensor[] = [];

function begin(
  node: Node,
  runtime: NodeRuntime,
  inputs: readonly (Tensor | undefined)[],
  dying: readonly (Tensor | undefined)[],
): void {
  try {
    runtime.begin(inputs, dying);
  } catch (error) {
    atNode(node, () => {
      throw error;
    });
  }
}

/** Runs plans, and bodies within the nodes of plans. */
export class Executor {
  #place: Place | undefined;

  /** @param constants what nodes may derive from the constants among their inputs */
  constructor(
    readonly wasm: Wasm,
    readonly constants: Derived,
  ) {}

  /**
   * Runs the steps of a plan; what they make is kept in `local`, retained once, until it is dead.
   * @param outer values that are not in `local`
   */
  run(plan: Plan, local: Map<string, Tensor>, outer: Lookup, control: Control): void {
    const { observe, signal } = control;
    const { steps, dead, dying } = observe === undefined ? (plan.fused ?? plan) : plan;
    const lookup: Lookup = (name) => local.get(name) ?? outer(name);
    const runtime = new NodeRuntime(this.wasm, this.constants);
    const place: Place = { lookup, runtime, control };
    const before = this.#place;
    const residency = Residency.of(this.wasm);
    residency.enter(this.constants.owner);
    try {
      for (let i = 0; i < steps.length; i++) {
        const step = steps[i]!;
        const { node } = step;
        if (signal?.aborted) throw new InterruptedError();
        const inputs: (Tensor | undefined)[] = [];
        for (const name of node.inputs) inputs.push(name === '' ? undefined : lookup(name));
        // An observer may have run another plan meanwhile.
        this.#place = place;
        const last = observe === undefined ? dying?.[i] : undefined;
        const over = last === undefined || last.length === 0 ? NONE : last.map((name) => local.get(name));
        const made = this.#step(step, inputs, over, runtime, observe);
        runtime.end(node.outputs.includes('') ? made.filter((_, j) => node.outputs[j] !== '') : made);
        for (let j = 0; j < made.length; j++) if (node.outputs[j] !== '') local.set(node.outputs[j]!, made[j]!);
        for (const name of dead[i]!) {
          const t = local.get(name);
          if (t === undefined) continue;
          local.delete(name);
          release(t);
        }
      }
    } catch (error) {
      if (!(error instanceof MemoryError) || before !== undefined) throw error;
      const weight = `the model's largest weight takes ${this.constants.largest}`;
      throw new MemoryError(`${error.message}; ${weight}`, error.needed, error.budget, { cause: error });
    } finally {
      this.#place = before;
      residency.leave(this.constants.owner);
    }
  }

  /** Runs a node; what it made is the runtime's. A node that finds no room between things that could be given up runs once more without them. */
  #step(
    { node, run }: Step,
    inputs: readonly (Tensor | undefined)[],
    dying: readonly (Tensor | undefined)[],
    runtime: NodeRuntime,
    observe: Observer | undefined,
  ): Tensor[] {
    const place = this.#place;
    for (let first = true; ; first = false) {
      try {
        begin(node, runtime, inputs, dying);
        const all = run(inputs, runtime);
        const made: Tensor[] = [];
        for (let j = 0; j < node.outputs.length; j++) {
          if (node.outputs[j] !== '' && all[j] === undefined)
            throw new ModelError(`${node.opType} node "${node.name}" has no output ${j}`);
          made.push(all[j]!);
        }
        if (observe !== undefined) {
          runtime.tidy();
          observe(node, inputs, made);
        }
        return made;
      } catch (error) {
        const intact = !runtime.wrote;
        runtime.end([]);
        if (!(first && intact && error instanceof MemoryError && Residency.of(this.wasm).evictIdle())) throw error;
        this.#place = place;
      }
    }
  }

  /** Runs a body within the node that is being run; its results belong to that node. */
  body(program: Program, inputs: readonly (Tensor | undefined)[]): readonly Tensor[] {
    const place = this.#place;
    if (place === undefined) throw new Error('a body was run outside its node');
    const { lookup, runtime, control } = place;
    if (inputs.length !== program.inputs.length)
      throw new ModelError(`body: expected ${program.inputs.length} inputs, found ${inputs.length}`);
    if (control.signal?.aborted) throw new InterruptedError();
    if (--control.left < 0)
      throw new ModelError(`more than ${control.limit} iterations in one run: raise maxIterations if that is meant`);
    const outer: Lookup = (name) => program.constants.get(name) ?? lookup(name);
    const local = new Map<string, Tensor>();
    try {
      inputs.forEach((t, i) => {
        if (t === undefined) throw new ModelError(`body: input "${program.inputs[i]}" is missing`);
        retain(t);
        local.set(program.inputs[i]!, t);
      });
      this.run(program.plan, local, outer, control);
      const outputs = program.outputs.map((name) => (local.get(name) ?? outer(name))!);
      for (const t of outputs) {
        retain(t);
        runtime.adopt(t);
      }
      return outputs;
    } finally {
      for (const t of local.values()) release(t);
    }
  }
}
