import { ModelError } from '../errors.ts';
import { typeName } from '../onnx/index.ts';
import type { Graph, Initializer, Model, Node } from '../onnx/model.ts';
import { constantValue } from '../ops/constant.ts';
import { findOperator, OPSETS } from '../ops/registry.ts';
import type { Body, NodeSpec, Run } from '../ops/op.ts';
import { dtypeOf, type Tensor } from '../tensor.ts';
import { readsOf } from './bodies.ts';
import { atNode } from './failure.ts';
import { type Inlined, inlined } from './inline.ts';
import { describe, labelOf, orderedNodes } from './order.ts';
import { type Plan, planOf } from './plan.ts';
import { type Problem, Problems } from './problems.ts';
import { isFixed, remembering } from './remember.ts';

/** A node made ready to run. */
export interface Step {
  readonly node: Node;
  /** What the model or its data does wrong is thrown with the node's name in front. */
  readonly run: Run;
  /** Names of all the values it depends on, once each: its inputs, and what its bodies read of the graphs around them. */
  readonly reads: readonly string[];
  /** Of these the ones it may read once more after it wrote its result; none where absent. */
  readonly again?: ReadonlySet<string> | undefined;
}

/** A body made ready to run. */
export interface Program {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly plan: Plan;
  /** The body's own initializers and Constant nodes, as the host keeps them. */
  readonly constants: ReadonlyMap<string, Tensor>;
}

/** Who runs the steps. */
export interface Host {
  /** Initializers of bodies that the host finds by name wherever they are read: no name is shared by two. */
  readonly shared: ReadonlyMap<string, Initializer>;
  /** Makes a constant of a body and takes it over for as long as the host lives. */
  keep(make: () => Tensor): Tensor;
  /** Runs a body within the node that is being run. */
  run(program: Program, inputs: readonly (Tensor | undefined)[]): readonly Tensor[];
}

const MAX_DEPTH = 64;

/**
 * The graph's nodes in running order, functions inlined, each with its operator's definition.
 * @throws UnsupportedError naming every operator, version, attribute and type that Kappa does not run, at once; ModelError for
 *   a graph without an order
 */
export function stepsOf(model: Model, source: Inlined, host: Host): Step[] {
  const compiler = new Compiler(source, host);
  const steps = compiler.compile(model);
  compiler.problems.check();
  return steps;
}

/**
 * Everything in a model that Kappa does not run, functions and bodies included; empty for a model that can be run.
 * @throws ModelError for a graph that contradicts itself
 */
export function unsupportedIn(model: Model): readonly Problem[] {
  const nothing: Tensor = { dtype: 'float', dims: [0], data: new Float32Array(0) };
  const compiler = new Compiler(inlined(model), { shared: new Map(), keep: () => nothing, run: () => [] });
  compiler.compile(model);
  if (compiler.problems.list.length === 0) compiler.problems.check();
  return compiler.problems.list;
}

class Compiler {
  readonly problems = new Problems();

  constructor(
    readonly source: Inlined,
    readonly host: Host,
  ) {}

  compile({ graph: { inputs } }: Model): Step[] {
    const { graph } = this.source;
    const given = new Map(graph.initializers.map((t) => [t.name, t]));
    for (const { name, elemType } of inputs) {
      if (given.has(name)) continue;
      if (elemType === undefined)
        this.problems.add({ kind: 'input', operator: '', name, reason: 'only inputs of a tensor type are supported' });
      else if (elemType !== 0 && dtypeOf(elemType) === undefined)
        this.problems.add({ kind: 'input', operator: '', name, reason: `elements of ${typeName(elemType)}` });
    }
    const constants = new Set(graph.initializers.map((t) => t.name));
    const steps = this.#steps(graph, graph.nodes, () => false, 0, constants);
    const read = new Set([...steps.flatMap((s) => s.reads), ...graph.outputs.map((o) => o.name)]);
    for (const t of graph.initializers) if (read.has(t.name)) this.#checkType(t);
    return steps;
  }

  /** @param constants what no run changes of the values seen here; gains those made of such alone */
  #steps(
    graph: Graph,
    nodes: readonly Node[],
    outer: (name: string) => boolean,
    depth: number,
    constants: Set<string>,
  ): Step[] {
    const here = new Set<string>();
    for (const v of [...graph.inputs, ...graph.initializers]) here.add(v.name);
    for (const node of graph.nodes) for (const o of node.outputs) here.add(o);
    const visible = (name: string) => here.has(name) || outer(name);
    const ordered = orderedNodes(graph, nodes, outer);
    return ordered.flatMap((node) => {
      const run = this.#build(node, visible, depth, constants);
      if (run === undefined) return [];
      const step: Step = { node, run, reads: readsOf(node) };
      if (isFixed(step, constants)) for (const name of node.outputs) constants.add(name);
      return [step];
    });
  }

  #build(node: Node, visible: (name: string) => boolean, depth: number, fixed: ReadonlySet<string>): Run | undefined {
    const opset = this.source.opsets(node).get(node.domain);
    const version = opset === undefined ? undefined : findOperator(node.domain, node.opType, opset);
    // Before the oldest set some operators mean what they mean in it.
    const known = opset !== undefined && (opset >= OPSETS.oldest || version !== undefined) && opset <= OPSETS.newest;
    if (node.domain === '' && opset !== undefined && !known) {
      const reason = `opset ${opset}: expected ${OPSETS.oldest}..${OPSETS.newest}; convert the model to one of these`;
      this.problems.add({ kind: 'version', operator: '', name: '', reason });
      this.#bodies(node, visible, depth, fixed);
      return undefined;
    }
    if (version === undefined) this.problems.operator(node, opset);
    const bodies = this.#bodies(node, visible, depth, fixed);
    if (version === undefined) return undefined;
    const outputs = node.outputs.reduce((n, o, i) => (o === '' ? n : i + 1), 0);
    const { opType, attributes } = node;
    const spec: NodeSpec = { opType, name: labelOf(node), attributes, outputs, opset: opset!, bodies };
    const run = this.problems.at(node, () => atNode(node, () => version.build(spec)));
    return run && ((inputs, rt) => atNode(node, () => run(inputs, rt)));
  }

  #bodies(
    node: Node,
    visible: (name: string) => boolean,
    depth: number,
    fixed: ReadonlySet<string>,
  ): Map<string, Body> {
    const bodies = new Map<string, Body>();
    for (const [name, a] of node.attributes) {
      if (a.type !== 'graph') continue;
      if (depth >= MAX_DEPTH) throw new ModelError(`${describe(node)}: bodies are nested more than ${MAX_DEPTH} deep`);
      const program = atNode(node, () => this.#program(a.value, visible, depth + 1, fixed));
      const { inputs, outputs } = program;
      const run: Body['run'] = (values) => this.host.run(program, values);
      bodies.set(name, { inputs, outputs, types: a.value.outputs, run });
    }
    return bodies;
  }

  #program(graph: Graph, outer: (name: string) => boolean, depth: number, fixed: ReadonlySet<string>): Program {
    const constants = new Map<string, Tensor>();
    for (const t of graph.initializers)
      if (this.host.shared.get(t.name) !== t && this.#checkType(t))
        constants.set(
          t.name,
          this.host.keep(() => t.tensor()),
        );
    const nodes: Node[] = [];
    for (const node of graph.nodes) {
      const opset = this.source.opsets(node).get('') ?? 0;
      if (node.opType !== 'Constant' || node.domain !== '' || opset < OPSETS.oldest || !node.outputs[0]) {
        nodes.push(node);
        continue;
      }
      const { opType, attributes, outputs } = node;
      const spec = { opType, name: labelOf(node), attributes, outputs: 1, opset, bodies: new Map<string, Body>() };
      const value = this.problems.at(node, () => atNode(node, () => constantValue(spec)));
      if (value !== undefined)
        constants.set(
          outputs[0]!,
          this.host.keep(() => value),
        );
    }
    const outputs = graph.outputs.map((o) => o.name);
    const given = (name: string) => constants.has(name) || outer(name);
    const known = new Set([...fixed, ...graph.initializers.map((t) => t.name), ...constants.keys()]);
    for (const { name } of graph.inputs) known.delete(name);
    const before = new Set(known);
    const steps = this.#steps(graph, nodes, given, depth, known);
    const inner = remembering(steps, before, (t) => this.host.keep(() => t));
    return { inputs: graph.inputs.map((v) => v.name), outputs, plan: planOf(inner, outputs), constants };
  }

  #checkType({ name, dataType }: Initializer): boolean {
    if (dtypeOf(dataType) !== undefined) return true;
    this.problems.add({ kind: 'initializer', operator: '', name, reason: `elements of ${typeName(dataType)}` });
    return false;
  }
}
