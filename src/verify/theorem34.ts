/**
 * Theorem 3.4 (stability composition): the error of f_n o ... o f_1, each evaluated with an error of its own, is at most
 * sum_i (prod_{j > i} L_j) Phi_i. On a graph the product becomes the amplification A(v), the sum over all paths from v to an
 * output of the products of Lipschitz constants: A(v) = [v is an output] + sum over consumers c of A(c) L_c.
 *
 * The constants must be those of the functions that are run (for quantized networks the quantized layers), the errors those
 * at the inputs of the exact network, or the other way round; docs/theory.md has the proof.
 */
export interface Stage {
  /** Lipschitz constant, >= 0, Infinity where none is known. */
  readonly lipschitz: number;
  /** Largest error of this stage's own evaluation, >= 0. */
  readonly error: number;
}

export interface Composition {
  readonly total: number;
  /** What each stage adds: amplification times error. */
  readonly contributions: readonly number[];
  /** How much an error at the stage's output grows on its way to the end. */
  readonly amplifications: readonly number[];
}

/**
 * Bound of a chain, first stage first.
 * @throws RangeError for a constant or an error that is negative or NaN
 */
export function composeError(chain: readonly Stage[]): Composition {
  chain.forEach((s, i) => {
    check(s.lipschitz, `stage ${i}, Lipschitz constant`);
    check(s.error, `stage ${i}, error`);
  });
  const amplifications = new Array<number>(chain.length);
  let amplification = 1;
  for (let i = chain.length - 1; i >= 0; i--) {
    amplifications[i] = amplification;
    amplification = times(amplification, chain[i]!.lipschitz);
  }
  const contributions = chain.map((s, i) => times(amplifications[i]!, s.error));
  return { total: contributions.reduce((a, b) => a + b, 0), contributions, amplifications };
}

/** A node of a graph: reads values, makes one. */
export interface GraphStage {
  readonly name: string;
  /** Names of earlier nodes or of graph inputs; one used twice counts twice. */
  readonly inputs: readonly string[];
  /** With respect to each input alone, in their order; one number serves all. */
  readonly lipschitz: number | readonly number[];
  readonly error: number;
}

export interface GraphContribution {
  readonly name: string;
  readonly amplification: number;
  readonly error: number;
  readonly contribution: number;
}

/**
 * Bound on a graph, nodes in topological order: on the sum of the errors of all `outputs`.
 * @throws RangeError for a name twice, an input used before it is made, an unknown output, or constants as in `composeError`
 */
export function composeGraph(
  nodes: readonly GraphStage[],
  outputs: readonly string[],
): { total: number; contributions: readonly GraphContribution[] } {
  const position = new Map<string, number>();
  nodes.forEach((node, i) => {
    if (position.has(node.name)) throw new RangeError(`node '${node.name}': named twice`);
    position.set(node.name, i);
  });
  nodes.forEach((node, i) => {
    check(node.error, `node '${node.name}', error`);
    if (typeof node.lipschitz !== 'number' && node.lipschitz.length !== node.inputs.length)
      throw new RangeError(
        `node '${node.name}': expected ${node.inputs.length} Lipschitz constants, got ${node.lipschitz.length}`,
      );
    node.inputs.forEach((input, k) => {
      check(lipschitzOf(node, k), `node '${node.name}', Lipschitz constant ${k}`);
      if ((position.get(input) ?? -1) >= i) throw new RangeError(`node '${node.name}': input '${input}' is made later`);
    });
  });
  const amplification = new Float64Array(nodes.length);
  for (const output of new Set(outputs)) {
    const at = position.get(output);
    if (at === undefined) throw new RangeError(`output '${output}': no such node`);
    amplification[at]! += 1;
  }
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    node.inputs.forEach((input, k) => {
      const at = position.get(input);
      if (at !== undefined) amplification[at]! += times(amplification[i]!, lipschitzOf(node, k));
    });
  }
  const contributions = nodes.map((node, i) => ({
    name: node.name,
    amplification: amplification[i]!,
    error: node.error,
    contribution: times(amplification[i]!, node.error),
  }));
  return { total: contributions.reduce((sum, c) => sum + c.contribution, 0), contributions };
}

function lipschitzOf(node: GraphStage, input: number): number {
  return typeof node.lipschitz === 'number' ? node.lipschitz : node.lipschitz[input]!;
}

/** No error stays none, however large its amplification. */
function times(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : a * b;
}

function check(value: number, what: string): void {
  if (typeof value !== 'number') throw new TypeError(`${what}: expected a number, got ${typeof value}`);
  if (!(value >= 0)) throw new RangeError(`${what}: expected a number >= 0, got ${value}`);
}
