import type { Initializer, Model, Node, ValueInfo } from '../onnx/model.ts';
import { DATA_TYPES, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { sharedInitializers } from './bodies.ts';
import type { Source } from './block.ts';
import { download, lazy, release, upload, WasmTensor } from './buffer.ts';
import { Derived } from './derived.ts';
import { type Control, Executor, type Observer } from './executor.ts';
import { checkFeeds, checkWeights } from './feeds.ts';
import { inlined } from './inline.ts';
import { liftedDecoders } from './lift.ts';
import { PackedTensor } from '../ops/packed.ts';
import { byCodes, type Coded, codedWeights, neededSteps, type Packed, packWeight } from './packed.ts';
import { PackedWeight } from './packed-weight.ts';
import { type Plan, planOf } from './plan.ts';
import { remembering } from './remember.ts';
import { Residency } from './residency.ts';
import { type Host, type Step, stepsOf } from './steps.ts';

export type { Observer } from './executor.ts';

/** Runs of bodies that one run of a model may take unless told otherwise. */
const MAX_ITERATIONS = 1_000_000;

/** What a `Session` may be told. */
export interface SessionOptions {
  /** Most times that bodies of If, Loop and Scan may be run in one run, all together: what ends loops that would not end. */
  readonly maxIterations?: number | undefined;
  /**
   * Whether weights that the model makes of codes stay in codes where products can read them there, which takes an eighth of the
   * memory at 4 bits; true unless told.
   */
  readonly packed?: boolean | undefined;
}

/** What one run may be told. */
export interface RunOptions {
  readonly observe?: Observer;
  /** Replacements of initializers, by name, for this run only. */
  readonly weights?: ReadonlyMap<string, Tensor>;
  /** Names of the values wanted instead of the outputs, inner ones too: only the nodes they need run. */
  readonly fetch?: readonly string[];
  /** Looked at before every node and iteration: a run that was aborted ends with an InterruptedError. */
  readonly signal?: AbortSignal | undefined;
  /** In place of the session's own. */
  readonly maxIterations?: number | undefined;
}

/** Every value of one run, kept until `Session.release`. Belongs to the session that made it. */
export interface Trace {
  /** Value name to tensor: feeds, replaced initializers, what nodes made, and outputs. Constants are not among them. */
  readonly values: ReadonlyMap<string, Tensor>;
  /** The nodes that ran, in order, functions inlined. */
  readonly nodes: readonly Node[];
}

const PLANS_KEPT = 1024;

/**
 * Runs a model. Floats, and codes and sums of integer operators, live in wasm memory and are freed after their last use; all else is
 * on the JavaScript heap. Constants come into wasm memory when a node first reads them, and, where there is no room for all, layer
 * by layer in every run.
 * Nodes that depend on initializers alone run once, at construction. Values are named as in the graph; initializers of bodies
 * too, where no other value has their name.
 */
export class Session {
  /** What must be fed: the graph's inputs without those that have an initializer. */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly #wasm: Wasm;
  readonly #executor: Executor;
  readonly #derived: Derived;
  readonly #maxIterations: number;
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
  /** Steps that depend on initializers alone. */
  #still: readonly Step[] = [];
  /** Of these the ones that decode constants, by what they make. */
  #decoders: ReadonlyMap<string, Step> = new Map();
  /** Constants of bodies. */
  readonly #kept: Tensor[] = [];
  /** Of the constants those that are kept in codes. */
  readonly #packed: PackedWeight[] = [];
  #disposed = false;

  /**
   * @throws UnsupportedError naming everything that Kappa does not run: operators, versions, attributes, types
   * @throws ModelError for a graph that contradicts itself, naming node and value
   */
  constructor(model: Model, wasm: Wasm, options: SessionOptions = {}) {
    this.#wasm = wasm;
    this.#derived = new Derived(wasm);
    this.#executor = new Executor(wasm, this.#derived);
    this.#maxIterations = iterations(options.maxIterations ?? MAX_ITERATIONS);
    const source = inlined(liftedDecoders(model));
    const { graph } = source;
    const own = new Map(graph.initializers.map((i) => [i.name, i]));
    const shared = sharedInitializers(graph);
    this.#initializers = new Map([...own, ...shared]);
    this.inputs = graph.inputs.filter((i) => !own.has(i.name));
    this.outputs = graph.outputs;
    this.#feedable = new Set(graph.inputs.map((i) => i.name));
    const host: Host = {
      shared,
      keep: (make) => {
        const made = make();
        const kept = isLazy(made) ? this.#lazy(made.dims, (use) => use(make())) : upload(made, wasm);
        this.#kept.push(kept);
        this.#derived.add(kept);
        return kept;
      },
      run: (program, inputs) => this.#executor.body(program, inputs),
    };
    try {
      const steps = stepsOf(model, source, host);
      for (const name of this.#initializers.keys()) this.#constant.add(name);
      for (const { node, reads } of steps)
        if (reads.every((v) => this.#constant.has(v))) for (const o of node.outputs) this.#constant.add(o);
      this.#steps = remembering(steps, this.#constant);
      const moving: Step[] = [];
      const still: Step[] = [];
      for (const step of this.#steps) {
        const constant = step.reads.every((v) => this.#constant.has(v));
        (constant ? still : moving).push(step);
      }
      this.#decoders = decodersOf(still, () => true);
      this.#plan = this.#planOf(moving, []);
      this.#still = still;
      if (options.packed ?? true) this.#pack(moving);
      this.#fold(moving, shared.keys());
      // What the plan does not read of the constants that others are decoded from is not kept.
      this.#decoders = decodersOf(still, (v) => this.#constants.has(v) || this.#initializers.has(v));
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
      this.#executor.run(plan, local, (name) => this.#outer(name, undefined), this.#control(options));
      return this.#results((name) => this.#lookup(name, local, undefined), options.fetch);
    } finally {
      for (const t of local.values()) release(t);
    }
  }

  /**
   * Runs and keeps every value.
   * @param weights replacements of initializers, by name
   * @throws as `run` does
   */
  trace(feeds: Readonly<Record<string, Tensor>>, weights?: ReadonlyMap<string, Tensor>): Trace {
    // The trace outlives the call: what the caller may change after it is copied.
    const own = Object.fromEntries(
      Object.entries(feeds).map(([name, t]) => [name, t.dtype === 'float' ? t : download(t)]),
    );
    const replaced = this.#replacements(own, weights);
    const { steps } = weights === undefined ? this.#plan : this.#planFor('run', replaced, false);
    const local = this.#start(own, replaced, true);
    try {
      const keep: Plan = { steps, dead: steps.map(() => []) };
      this.#executor.run(keep, local, (name) => this.#outer(name, undefined), this.#control());
    } catch (error) {
      for (const t of local.values()) release(t);
      throw error;
    }
    const trace: Trace = { values: local, nodes: steps.map((s) => s.node) };
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
      this.#executor.run(plan, local, (name) => this.#outer(name, trace), this.#control());
      return this.#results((name) => this.#lookup(name, local, trace));
    } finally {
      for (const t of local.values()) release(t);
    }
  }

  /** The nodes that a plain run executes, in order, functions inlined. */
  get nodes(): readonly Node[] {
    return this.#plan.steps.map((s) => s.node);
  }

  /** A value of a traced run, constants among them; `data` of a constant is good until the next run. @throws RangeError for a value the run did not see */
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

  /** Gives wasm memory back until the next run: constants and what was made of them are brought there again as they are needed. */
  rest(): void {
    Residency.of(this.#wasm).evictAll(this.#derived.owner);
  }

  /** Frees the constants and every trace. The session cannot run after it. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#derived.clear();
    for (const t of [...this.#traces]) this.release(t);
    for (const t of this.#constants.values()) release(t);
    this.#constants.clear();
    for (const t of this.#kept) release(t);
    this.#kept.length = 0;
    for (const p of this.#packed) p.evict();
    this.#packed.length = 0;
  }

  #control(options: RunOptions = {}): Control {
    const { observe, signal, maxIterations } = options;
    const limit = maxIterations === undefined ? this.#maxIterations : iterations(maxIterations);
    return { observe, signal, limit, left: limit };
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

  /**
   * The values a run starts with, each retained once.
   * @param outlive whether they are kept after the call: what the caller may change is copied at once
   */
  #start(
    feeds: Readonly<Record<string, Tensor>>,
    weights: ReadonlyMap<string, Tensor>,
    outlive = false,
  ): Map<string, Tensor> {
    const local = new Map<string, Tensor>();
    try {
      for (const { name } of this.inputs)
        if (Object.hasOwn(feeds, name)) local.set(name, upload(feeds[name]!, this.#wasm));
      // A tensor that stays on the heap is this run's own: what an earlier run remembers of it may have changed since.
      for (const [name, t] of weights)
        if (t.dtype !== 'float') local.set(name, { ...t });
        else local.set(name, outlive || !isLazy(t) ? upload(t, this.#wasm) : this.#lazy(t.dims, (use) => use(t)));
    } catch (error) {
      for (const t of local.values()) release(t);
      throw error;
    }
    return local;
  }

  #lazy(dims: readonly number[], source: Source, bytes?: () => Uint8Array | undefined): WasmTensor {
    return lazy(dims, this.#wasm, { source, bytes, owner: this.#derived.owner });
  }

  /** Keeps constants in codes that are made of codes and that products alone read. One at a time: none is there whole but that one. */
  #pack(moving: readonly Step[]): void {
    const names = new Set(moving.flatMap((s) => s.reads).filter((v) => this.#constant.has(v)));
    const outputs = new Set(this.outputs.map((o) => o.name));
    const found = byCodes(codedWeights(names, this.#still, moving, outputs));
    for (const [coded, packed] of this.#packedAll(found)) {
      const again = () => this.#packedOf(coded)!.kept;
      const weight = new PackedWeight(this.#wasm, this.#derived.owner, packed.kept, again);
      this.#packed.push(weight);
      this.#constants.set(coded.name, new PackedTensor(packed.dims, weight, coded.transposed, this.#wasm));
    }
  }

  #packedOf(coded: Coded): Packed | undefined {
    return [...this.#packedAll([[coded]])][0]?.[1];
  }

  /** Weights with what became of them, those that can be packed; codes that several have in common are made once. */
  *#packedAll(groups: Iterable<readonly Coded[]>): Generator<[Coded, Packed]> {
    for (const group of groups) {
      const local = this.#operandsOf(group);
      try {
        for (const coded of group) {
          const packed = this.#packedWith(coded, local);
          if (packed !== undefined) yield [coded, packed];
        }
      } finally {
        for (const t of local.values()) release(t);
      }
    }
  }

  /** What codes, scales and zero points are made of. */
  #operandsOf(group: readonly Coded[]): Map<string, Tensor> {
    const local = new Map<string, Tensor>();
    const made = new Set(group.flatMap((c) => c.steps.flatMap((s) => s.node.outputs)));
    const reads = group.flatMap((c) => c.steps.flatMap((s) => s.reads)).filter((v) => !made.has(v));
    const outer = (name: string) => this.#outer(name, undefined);
    try {
      this.#executor.run(this.#planOf(neededSteps(this.#still, reads), reads), local, outer, this.#control());
      return local;
    } catch (error) {
      for (const t of local.values()) release(t);
      throw error;
    }
  }

  #packedWith(coded: Coded, local: ReadonlyMap<string, Tensor>): Packed | undefined {
    const value = (name: string) => local.get(name) ?? this.#outer(name, undefined);
    const plan = this.#planOf(coded.steps, [coded.name]);
    return packWeight(
      coded,
      value,
      (operands, read) => {
        const own = new Map([...operands].map(([name, t]) => [name, upload(t, this.#wasm)]));
        try {
          this.#executor.run(plan, own, value, this.#control());
          return read(own.get(coded.name)!);
        } finally {
          for (const t of own.values()) release(t);
        }
      },
      this.#wasm,
    );
  }

  /** Runs the constant steps and keeps what the others, or an output, read, and the bodies' own initializers. */
  #fold(moving: readonly Step[], inner: Iterable<string>): void {
    const read = new Set(this.outputs.map((o) => o.name));
    for (const v of inner) if (!this.#constants.has(v)) read.add(v);
    for (const s of [...moving, ...(this.#plan.fused?.steps ?? [])])
      for (const v of s.reads) if (!this.#constants.has(v)) read.add(v);
    const steps = this.#packed.length === 0 ? this.#still : neededSteps(this.#still, read);
    const local = new Map<string, Tensor>();
    const { owner } = this.#derived;
    const observe: Observer = (node, _, outputs) => {
      for (const [i, t] of outputs.entries()) {
        const name = node.outputs[i]!;
        if (read.has(name) && t instanceof WasmTensor && t.buffer.source === undefined)
          t.buffer.from({ source: this.#again(name), owner });
      }
    };
    const outer = (name: string) => this.#outer(name, undefined);
    try {
      this.#executor.run(this.#planOf(steps, read), local, outer, { ...this.#control(), observe });
      for (const name of read) {
        if (!this.#constant.has(name) || name === '') continue;
        const constant = this.#constantOf(name, local.get(name));
        this.#constants.set(name, constant);
        this.#derived.add(constant);
      }
    } finally {
      for (const t of local.values()) release(t);
    }
  }

  /** A constant to keep: an initializer, or what the constant steps made. */
  #constantOf(name: string, made: Tensor | undefined): Tensor {
    if (made !== undefined) return isLazy(made) ? this.#lazy(made.dims, this.#again(name)) : upload(made, this.#wasm);
    const initializer = this.#initializers.get(name)!;
    if (initializer.dataType !== DATA_TYPES.float) return upload(initializer.tensor(), this.#wasm);
    return this.#lazy(
      initializer.dims,
      (use) => use(initializer.tensor()),
      () => initializer.floatBytes?.(),
    );
  }

  /** What the constant steps make under that name, made once more. */
  #again(name: string): Source {
    return (use) => {
      const local = new Map<string, Tensor>();
      const plan = this.#planOf(neededSteps(this.#still, [name]), [name]);
      try {
        // As they are written, like the first time.
        const observe: Observer = () => {};
        this.#executor.run(plan, local, (v) => this.#outer(v, undefined), { ...this.#control(), observe });
        return use(local.get(name)!);
      } finally {
        for (const t of local.values()) release(t);
      }
    };
  }

  /** A value that a run did not make itself. */
  #outer(name: string, trace: Trace | undefined): Tensor {
    return trace?.values.get(name) ?? this.#constants.get(name) ?? this.#initializers.get(name)!.tensor();
  }

  #lookup(name: string, local: ReadonlyMap<string, Tensor>, trace: Trace | undefined): Tensor {
    return local.get(name) ?? this.#outer(name, trace);
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
  #planOf(steps: readonly Step[], keep: Iterable<string>): Plan {
    return planOf(steps, [...this.outputs.map((o) => o.name), ...keep], this.#decoders);
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
      const { outputs } = step.node;
      const changed = step.reads.some((v) => dirty.has(v));
      if (changed) for (const o of outputs) if (o !== '') dirty.add(o);
      if (changed || (!only && !step.reads.every((v) => this.#constant.has(v)))) chosen.add(step);
    }
    for (const name of fetch ?? [])
      if (!this.#feedable.has(name) && !this.#constant.has(name) && !this.#makes(name))
        throw new RangeError(`fetch: the model has no value "${name}"`);
    const needed = new Set<string>(fetch);
    for (let i = this.#steps.length - 1; i >= 0; i--) {
      const step = this.#steps[i]!;
      const { outputs } = step.node;
      const missing = outputs.some((o) => needed.has(o) && !this.#constants.has(o) && this.#constant.has(o));
      if (missing) chosen.add(step);
      else if (fetch !== undefined && !outputs.some((o) => needed.has(o))) chosen.delete(step);
      if (chosen.has(step)) for (const v of step.reads) needed.add(v);
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

function iterations(n: number): number {
  if (!Number.isSafeInteger(n) || n < 1) throw new RangeError(`maxIterations: expected a whole number >= 1, got ${n}`);
  return n;
}

/** Whether the elements are floats on the JavaScript heap. */
function decodersOf(steps: readonly Step[], has: (name: string) => boolean): ReadonlyMap<string, Step> {
  const found = steps.filter((s) => s.node.opType === 'DequantizeLinear' && s.reads.every(has));
  return new Map(found.flatMap((s) => s.node.outputs.map((o) => [o, s] as const)));
}

function isLazy(t: Tensor): boolean {
  return t.dtype === 'float' && !(t instanceof WasmTensor) && !(t instanceof PackedTensor);
}
