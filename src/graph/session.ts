import { UnsupportedError } from '../errors.ts';
import type { Initializer, Model, Node, ValueInfo } from '../onnx/model.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { download, NodeRuntime, release, upload } from './buffer.ts';
import { atNode } from './failure.ts';
import { checkFeeds, checkWeights } from './feeds.ts';
import { type Step, stepsOf } from './steps.ts';

/** Called after each node; the tensors are valid during the call only. Nodes folded at construction do not run again. */
export type Observer = (node: Node, inputs: readonly (Tensor | undefined)[], outputs: readonly Tensor[]) => void;

export interface RunOptions {
  readonly observe?: Observer;
  /** Replacements of initializers, by name, for this run only. */
  readonly weights?: ReadonlyMap<string, Tensor>;
  /** Names of the values wanted instead of the outputs, inner ones too: only the nodes they need run. */
  readonly fetch?: readonly string[];
}

/** Every value of one run, kept until `Session.release`. Belongs to the session that made it. */
export interface Trace {
  /** Value name to tensor: feeds, what nodes made, and outputs. Constants are not among them. */
  readonly values: ReadonlyMap<string, Tensor>;
}

/** The nodes of a run in order, and after each the values that nothing later reads. */
interface Plan {
  readonly steps: readonly Step[];
  readonly dead: readonly (readonly string[])[];
}

const PLANS_KEPT = 1024;

/**
 * Runs a model. Float tensors live in wasm memory and are freed after their last use; all else is on the JavaScript heap.
 * Nodes that depend on initializers alone run once, at construction. Values are named as in the graph.
 */
export class Session {
  /** What must be fed: the graph's inputs without those that have an initializer. */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly #wasm: Wasm;
  readonly #runtime: NodeRuntime;
  readonly #steps: readonly Step[];
  readonly #initializers: ReadonlyMap<string, Initializer>;
  /** Constant values that the steps of a plain run, or an output, read. Float ones in wasm memory. */
  readonly #constants = new Map<string, Tensor>();
  /** Values that depend on initializers alone, whether kept or not. */
  readonly #constant = new Set<string>();
  readonly #feedable: ReadonlySet<string>;
  readonly #plan: Plan;
  readonly #plans = new Map<string, Plan>();
  readonly #traces = new Set<Trace>();
  #disposed = false;

  /**
   * @throws UnsupportedError naming every operator, or the first type, that Kappa does not run
   * @throws ModelError for a graph that contradicts itself, naming node and value
   */
  constructor(model: Model, wasm: Wasm) {
    const { graph } = model;
    this.#wasm = wasm;
    this.#runtime = new NodeRuntime(wasm);
    this.#initializers = new Map(graph.initializers.map((i) => [i.name, i]));
    this.inputs = graph.inputs.filter((i) => !this.#initializers.has(i.name));
    for (const { name, elemType } of this.inputs)
      if (elemType === undefined)
        throw new UnsupportedError(`input "${name}": only inputs of a tensor type are supported`);
    this.outputs = graph.outputs;
    this.#feedable = new Set(graph.inputs.map((i) => i.name));
    this.#steps = stepsOf(model);
    for (const name of this.#initializers.keys()) this.#constant.add(name);
    const moving: Step[] = [];
    const still: Step[] = [];
    for (const step of this.#steps) {
      const constant = step.node.inputs.every((v) => v === '' || this.#constant.has(v));
      (constant ? still : moving).push(step);
      if (constant) for (const o of step.node.outputs) this.#constant.add(o);
    }
    this.#plan = this.#planOf(moving, new Set());
    try {
      this.#fold(still, moving);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * Runs the model on feeds named and shaped as `inputs` says.
   * @returns every output, or every value fetched, by name, copied to the JavaScript heap
   * @throws DataError for feeds that do not fit; KappaError naming the node for what fails inside
   * @throws RangeError, TypeError for `weights` that are not replacements of initializers; RangeError for a `fetch` of a value
   *   there is not
   */
  run(feeds: Readonly<Record<string, Tensor>>, options: RunOptions = {}): Record<string, Tensor> {
    const weights = this.#replacements(feeds, options.weights);
    const plain = weights.size === 0 && options.fetch === undefined;
    const plan = plain ? this.#plan : this.#planFor('run', weights, false, options.fetch);
    const local = this.#start(feeds, weights);
    try {
      this.#execute(plan, local, undefined, options.observe);
      return this.#results((name) => this.#lookup(name, local, undefined), options.fetch);
    } finally {
      for (const t of local.values()) release(t);
    }
  }

  /** Runs and keeps every value. @throws as `run` does */
  trace(feeds: Readonly<Record<string, Tensor>>): Trace {
    // The trace outlives the call: what the caller may change after it is copied.
    const own = Object.fromEntries(
      Object.entries(feeds).map(([name, t]) => [name, t.dtype === 'float' ? t : download(t)]),
    );
    const local = this.#start(own, this.#replacements(own, undefined));
    try {
      const keep: Plan = { steps: this.#plan.steps, dead: this.#plan.steps.map(() => []) };
      this.#execute(keep, local, undefined, undefined);
    } catch (error) {
      for (const t of local.values()) release(t);
      throw error;
    }
    const trace: Trace = { values: local };
    this.#traces.add(trace);
    return trace;
  }

  /**
   * The outputs that `run` would give on the trace's feeds with those initializers replaced: only the nodes that depend on
   * them run, all else is taken from the trace.
   * @throws RangeError for a trace of another session, or a released one
   */
  rerun(trace: Trace, weights: ReadonlyMap<string, Tensor>): Record<string, Tensor> {
    if (!this.#traces.has(trace)) throw new RangeError('rerun: expected a trace of this session that is not released');
    checkWeights(this.#initializers, weights);
    const plan = this.#planFor('rerun', weights, true);
    const local = this.#start({}, weights);
    try {
      this.#execute(plan, local, trace, undefined);
      return this.#results((name) => this.#lookup(name, local, trace));
    } finally {
      for (const t of local.values()) release(t);
    }
  }

  /** The nodes that a plain run executes, in order, functions inlined. */
  get nodes(): readonly Node[] {
    return this.#plan.steps.map((s) => s.node);
  }

  /** A value of a traced run, constants among them, where it lies. @throws RangeError for a value the run did not see */
  value(trace: Trace, name: string): Tensor {
    const found = trace.values.get(name) ?? this.#constants.get(name) ?? this.#initializers.get(name)?.tensor();
    if (found === undefined) throw new RangeError(`value: the traced run has no value "${name}"`);
    return found;
  }

  /** Frees a trace's values. @throws RangeError for one that is not this session's, or was released */
  release(trace: Trace): void {
    if (!this.#traces.delete(trace))
      throw new RangeError('release: expected a trace of this session that is not released');
    for (const t of trace.values.values()) release(t);
    (trace.values as Map<string, Tensor>).clear();
  }

  /** Frees the constants and every trace. The session cannot run after it. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const t of [...this.#traces]) this.release(t);
    for (const t of this.#constants.values()) release(t);
    this.#constants.clear();
  }

  /** Weight overrides, and feeds of inputs that have an initializer, which are the same thing. */
  #replacements(
    feeds: Readonly<Record<string, Tensor>>,
    weights: ReadonlyMap<string, Tensor> = new Map(),
  ): ReadonlyMap<string, Tensor> {
    if (this.#disposed) throw new Error('the session was disposed of');
    checkFeeds(this.inputs, feeds, this.#feedable);
    const all = new Map(weights);
    for (const [name, t] of Object.entries(feeds)) if (this.#initializers.has(name) && !all.has(name)) all.set(name, t);
    checkWeights(this.#initializers, all);
    return all;
  }

  /** The values a run starts with, each retained once. */
  #start(feeds: Readonly<Record<string, Tensor>>, weights: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
    const local = new Map<string, Tensor>();
    try {
      for (const { name } of this.inputs)
        if (Object.hasOwn(feeds, name)) local.set(name, upload(feeds[name]!, this.#wasm));
      for (const [name, t] of weights) local.set(name, upload(t, this.#wasm));
    } catch (error) {
      for (const t of local.values()) release(t);
      throw error;
    }
    return local;
  }

  /** Runs the constant steps and keeps what the others, or an output, read. */
  #fold(still: readonly Step[], moving: readonly Step[]): void {
    const read = new Set(this.outputs.map((o) => o.name));
    for (const s of moving) for (const v of s.node.inputs) read.add(v);
    const local = new Map<string, Tensor>();
    try {
      this.#execute(this.#planOf(still, read), local, undefined, undefined);
      for (const name of read) {
        if (!this.#constant.has(name) || name === '') continue;
        const value = local.get(name) ?? this.#initializers.get(name)!.tensor();
        this.#constants.set(name, upload(value, this.#wasm));
      }
    } finally {
      for (const t of local.values()) release(t);
    }
  }

  #lookup(name: string, local: ReadonlyMap<string, Tensor>, trace: Trace | undefined): Tensor {
    return (
      local.get(name) ?? trace?.values.get(name) ?? this.#constants.get(name) ?? this.#initializers.get(name)!.tensor()
    );
  }

  #execute(plan: Plan, local: Map<string, Tensor>, trace: Trace | undefined, observe: Observer | undefined): void {
    const rt = this.#runtime;
    plan.steps.forEach((step, i) => {
      const { node } = step;
      const inputs = node.inputs.map((v) => (v === '' ? undefined : this.#lookup(v, local, trace)));
      let made: readonly Tensor[] = [];
      try {
        const all = atNode(node, () => step.run(inputs, rt));
        made = node.outputs.map((_, j) => all[j]!);
        for (const [j, name] of node.outputs.entries())
          if (name !== '' && made[j] === undefined) throw new Error(`${node.opType} made no output ${j}`);
        observe?.(node, inputs, made);
      } catch (error) {
        rt.end([]);
        throw error;
      }
      const kept = made.filter((_, j) => node.outputs[j] !== '');
      rt.end(kept);
      node.outputs.forEach((name, j) => {
        if (name !== '') local.set(name, made[j]!);
      });
      for (const name of plan.dead[i]!) {
        const t = local.get(name);
        if (t === undefined) continue;
        local.delete(name);
        release(t);
      }
    });
  }

  #results(
    value: (name: string) => Tensor,
    names: readonly string[] = this.outputs.map((o) => o.name),
  ): Record<string, Tensor> {
    // A plain object would take a value named __proto__ for something else.
    return Object.fromEntries(names.map((name) => [name, download(value(name))]));
  }

  #makes(name: string): boolean {
    return this.#steps.some((s) => s.node.outputs.includes(name));
  }

  /** The order with what can be freed after each step; values in `keep` and outputs never are. */
  #planOf(steps: readonly Step[], keep: ReadonlySet<string>): Plan {
    const seen = new Set(this.outputs.map((o) => o.name));
    for (const name of keep) seen.add(name);
    const dead: string[][] = steps.map(() => []);
    for (let i = steps.length - 1; i >= 0; i--) {
      const { inputs, outputs } = steps[i]!.node;
      for (const name of [...inputs, ...outputs]) {
        if (name === '' || seen.has(name)) continue;
        seen.add(name);
        dead[i]!.push(name);
      }
    }
    return { steps, dead };
  }

  /**
   * The plan of a run with replaced initializers: the steps downstream of them (`only`) or these and every step of a plain
   * run, and the folded ones whose values those need and nobody kept. With `fetch`, of these what the values named need.
   */
  #planFor(kind: string, weights: ReadonlyMap<string, Tensor>, only: boolean, fetch?: readonly string[]): Plan {
    const key = JSON.stringify([kind, fetch, ...[...weights.keys()].sort()]);
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const dirty = new Set(weights.keys());
    const chosen = new Set<Step>();
    for (const step of this.#steps) {
      const { inputs, outputs } = step.node;
      const changed = inputs.some((v) => dirty.has(v));
      if (changed) for (const o of outputs) if (o !== '') dirty.add(o);
      if (changed || (!only && !inputs.every((v) => v === '' || this.#constant.has(v)))) chosen.add(step);
    }
    for (const name of fetch ?? [])
      if (!this.#feedable.has(name) && !this.#constant.has(name) && !this.#makes(name))
        throw new RangeError(`fetch: the model has no value "${name}"`);
    const needed = new Set<string>(fetch);
    for (let i = this.#steps.length - 1; i >= 0; i--) {
      const step = this.#steps[i]!;
      const { inputs, outputs } = step.node;
      const missing = outputs.some((o) => needed.has(o) && !this.#constants.has(o) && this.#constant.has(o));
      if (missing) chosen.add(step);
      else if (fetch !== undefined && !outputs.some((o) => needed.has(o))) chosen.delete(step);
      if (chosen.has(step)) for (const v of inputs) needed.add(v);
    }
    const plan = this.#planOf(
      this.#steps.filter((s) => chosen.has(s)),
      new Set(fetch),
    );
    if (this.#plans.size >= PLANS_KEPT) this.#plans.clear();
    this.#plans.set(key, plan);
    return plan;
  }
}
