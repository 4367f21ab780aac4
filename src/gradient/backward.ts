import { KappaError, MemoryError } from '../errors.ts';
import { download, NodeRuntime, release, retain, upload } from '../graph/buffer.ts';
import { describe } from '../graph/order.ts';
import type { Session, Trace } from '../graph/session.ts';
import type { Node } from '../onnx/model.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Call, Gradient } from './gradient.ts';
import { findGradient } from './operators/index.ts';

/** Called for every node that gradients reach, in reverse order, before they go on to its inputs. */
export type Visit = (call: Call) => void;

export interface BackwardOptions {
  /**
   * The values whose gradients are asked for: only the nodes between them and the outputs are gone through, so a visit sees
   * the gradients of these and of what depends on them. Names of initializers and inputs are returned at the end. Every
   * value that some node made, unless told.
   */
  readonly wanted?: ReadonlySet<string>;
}

/** What a backward pass came to: the gradients of the initializers and inputs asked for, or the node it could not pass. */
export type Backward =
  | { readonly ok: true; readonly gradients: ReadonlyMap<string, Float32Array> }
  | { readonly ok: false; readonly obstacle: string };

/**
 * Reverse-mode differentiation of a traced run (A. Griewank, A. Walther, "Evaluating Derivatives", 2008, ch. 3): the gradient of
 * sum over outputs of (seed . output) with respect to every float value between the outputs and what is wanted. Gradients live in wasm
 * memory and are freed as soon as their node is done.
 * @param seeds output name to as many floats as the output has elements
 * @returns `ok: false` naming the node where an operator has no gradient, or not for this form or type of it
 * @throws RangeError for a seed that is no float output of the trace or has another length
 */
export function backward(
  wasm: Wasm,
  session: Session,
  trace: Trace,
  seeds: ReadonlyMap<string, Float32Array>,
  visit: Visit,
  options: BackwardOptions = {},
): Backward {
  const pass = new Pass(wasm, session, trace, options.wanted);
  try {
    pass.seed(seeds);
    for (const node of [...trace.nodes].reverse()) {
      const obstacle = pass.node(node, visit);
      if (obstacle !== undefined) return { ok: false, obstacle };
    }
    return { ok: true, gradients: pass.leaves() };
  } finally {
    pass.dispose();
  }
}

/**
 * The gradient with respect to one input of a node that is being visited, on the JavaScript heap; undefined where it is zero.
 * For weights: what training would move them by.
 * @throws UnsupportedError where the operator has no gradient in this form
 */
export function weightGradient(wasm: Wasm, call: Call, input: number): Float32Array | undefined {
  const rt = new NodeRuntime(wasm);
  try {
    const gradient = findGradient(call.node.domain, call.node.opType);
    const wants = call.inputs.map((_, i) => i === input);
    const found = gradient?.(call, wants, rt)[input];
    return found && (download(found).data as Float32Array);
  } finally {
    rt.end([]);
  }
}

class Pass {
  readonly #gradients = new Map<string, Tensor>();
  readonly #active: ReadonlySet<string>;
  readonly #rt: NodeRuntime;

  constructor(
    private readonly wasm: Wasm,
    private readonly session: Session,
    private readonly trace: Trace,
    private readonly wanted: ReadonlySet<string> | undefined,
  ) {
    this.#rt = new NodeRuntime(wasm);
    this.#active = activeValues(trace.nodes, wanted);
  }

  seed(seeds: ReadonlyMap<string, Float32Array>): void {
    const outputs = new Set(this.session.outputs.map((o) => o.name));
    for (const [name, data] of seeds) {
      if (!outputs.has(name)) throw new RangeError(`seeds: the model has no output "${name}"`);
      const value = this.session.value(this.trace, name);
      if (value.dtype !== 'float' || data.length !== sizeOf(value.dims))
        throw new RangeError(
          `seeds: output "${name}" is ${value.dtype} [${value.dims}], the seed has ${data.length} floats`,
        );
      if (this.#active.has(name))
        this.#gradients.set(name, upload({ dtype: 'float', dims: value.dims, data }, this.wasm));
    }
  }

  /** Takes the node's gradients on to its inputs. @returns why that cannot be done */
  node(node: Node, visit: Visit): string | undefined {
    const dy = node.outputs.map((o) => this.#gradients.get(o));
    if (dy.every((g) => g === undefined)) return undefined;
    const value = (name: string) => (name === '' ? undefined : this.session.value(this.trace, name));
    const call: Call = { node, inputs: node.inputs.map(value), outputs: node.outputs.map(value), dy };
    try {
      this.#rt.begin(call.inputs, []);
      visit(call);
      return this.#inputs(call);
    } finally {
      this.#rt.end([]);
      for (const name of node.outputs) this.#drop(name);
    }
  }

  #inputs(call: Call): string | undefined {
    const { node, inputs } = call;
    const reached = node.inputs.map((name) => this.#active.has(name));
    if (!reached.includes(true) && !hasBody(node)) return undefined;
    const gradient = findGradient(node.domain, node.opType);
    if (gradient === undefined) return `${describe(node)}: ${node.opType} has no gradient`;
    const wants = inputs.map((t, i) => reached[i]! && t?.dtype === 'float');
    const other = inputs.find((t, i) => reached[i] && (t?.dtype === 'double' || t?.dtype === 'float16'));
    if (other !== undefined) return `${describe(node)}: no gradient for type ${other.dtype}`;
    if (!wants.includes(true)) return undefined;
    return this.#apply(call, gradient, wants);
  }

  #apply(call: Call, gradient: Gradient, wants: readonly boolean[]): string | undefined {
    const rt = this.#rt;
    const { node } = call;
    try {
      const made = gradient(call, wants, rt);
      node.inputs.forEach((name, i) => {
        const g = made[i];
        if (g !== undefined && wants[i]) this.#add(name, g);
      });
      return undefined;
    } catch (error) {
      if (error instanceof KappaError && !(error instanceof MemoryError)) return `${describe(node)}: ${error.message}`;
      throw error;
    }
  }

  /** Adds to a value's gradient, into a new tensor: either may be shared with another value's. */
  #add(name: string, g: Tensor): void {
    const before = this.#gradients.get(name);
    if (before === undefined) {
      retain(g);
      this.#gradients.set(name, g);
      return;
    }
    const sum = this.#rt.empty('float', g.dims);
    this.wasm.k.add(this.#rt.ptr(before), this.#rt.ptr(g), this.#rt.ptr(sum), g.data.length);
    retain(sum);
    this.#gradients.set(name, sum);
    release(before);
  }

  leaves(): Map<string, Float32Array> {
    const found = new Map<string, Float32Array>();
    for (const [name, g] of this.#gradients)
      if (this.wanted?.has(name)) found.set(name, download(g).data as Float32Array);
    return found;
  }

  #drop(name: string): void {
    const g = this.#gradients.get(name);
    if (g === undefined) return;
    this.#gradients.delete(name);
    release(g);
  }

  dispose(): void {
    for (const name of [...this.#gradients.keys()]) this.#drop(name);
  }
}

function hasBody(node: Node): boolean {
  return [...node.attributes.values()].some((a) => a.type === 'graph');
}

/** What is wanted and every value that depends on it. Bodies may read any value before them. */
function activeValues(nodes: readonly Node[], wanted: ReadonlySet<string> | undefined): Set<string> {
  const active = new Set(wanted);
  for (const node of nodes) {
    const reached = wanted === undefined || hasBody(node) || node.inputs.some((name) => active.has(name));
    if (reached) for (const o of node.outputs) if (o !== '') active.add(o);
  }
  return active;
}
