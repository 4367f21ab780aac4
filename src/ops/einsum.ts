import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { string, since } from './attributes.ts';
import { contract, type Term, summed } from './contract.ts';
import { withHalf } from './half.ts';
import type { Op, Runtime } from './op.ts';
import { stridesOf } from './shape.ts';
import { strided } from './transpose.ts';

/** One operand's subscripts: letters before and after an ellipsis, where there is one. */
interface Subscripts {
  readonly head: readonly string[];
  readonly ellipsis: boolean;
  readonly tail: readonly string[];
}

interface Equation {
  readonly inputs: readonly Subscripts[];
  readonly output: Subscripts | undefined;
}

function subscripts(text: string, equation: string): Subscripts {
  const found = /^([A-Za-z]*)(\.\.\.)?([A-Za-z]*)$/.exec(text);
  if (found === null) throw new ModelError(`attribute "equation": "${text}" in "${equation}" is no list of subscripts`);
  return { head: [...found[1]!], ellipsis: found[2] !== undefined, tail: [...found[3]!] };
}

function parse(equation: string): Equation {
  const [left, right, ...more] = equation.replace(/\s/g, '').split('->');
  if (more.length > 0) throw new ModelError(`attribute "equation": more than one "->" in "${equation}"`);
  return {
    inputs: left!.split(',').map((t) => subscripts(t, equation)),
    output: right === undefined ? undefined : subscripts(right, equation),
  };
}

/** Labels of the axes: letters, and for those of an ellipsis of rank `e` their places counted from the last. */
function labelsOf(s: Subscripts, e: number): string[] {
  const dots = Array.from({ length: s.ellipsis ? e : 0 }, (_, i) => String(e - 1 - i));
  return [...s.head, ...dots, ...s.tail];
}

/** Rank of what the ellipsis of an operand stands for. */
function ellipsisRank(s: Subscripts, t: Tensor, i: number): number {
  const rest = t.dims.length - s.head.length - s.tail.length;
  if (rest < 0 || (rest > 0 && !s.ellipsis))
    throw new ModelError(
      `input ${i}: [${t.dims}] does not have the axes of "${s.head.join('')}${s.ellipsis ? '...' : ''}${s.tail.join('')}"`,
    );
  return rest;
}

/** The operand with one axis a label: diagonals where one is repeated, axes of 1 that others repeat left out. */
function termOf(t: Tensor, labels: readonly string[], sizes: ReadonlyMap<string, number>, rt: Runtime): Term {
  const strides = stridesOf(t.dims);
  const step = new Map<string, number>();
  labels.forEach((l, i) => {
    if (t.dims[i] === sizes.get(l)) step.set(l, (step.get(l) ?? 0) + strides[i]!);
  });
  const own = [...step.keys()];
  const dims = own.map((l) => sizes.get(l)!);
  return { t: strided(t, dims, [...step.values()], rt), labels: own };
}

/** Above this many operands they are taken from left to right. */
const MOST_ORDERED = 16;

/** The two terms whose product is smallest. */
function cheapest(terms: readonly Term[], sizes: ReadonlyMap<string, number>, output: readonly string[]) {
  let best: readonly [number, number] = [0, 1];
  if (terms.length === 2 || terms.length > MOST_ORDERED) return best;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < terms.length; i++)
    for (let j = i + 1; j < terms.length; j++) {
      const needed = neededBy(terms, i, j, output);
      const labels = new Set([...terms[i]!.labels, ...terms[j]!.labels]);
      let size = 1;
      for (const l of labels) if (needed.has(l)) size *= sizes.get(l)!;
      if (size < least) {
        least = size;
        best = [i, j];
      }
    }
  return best;
}

/** Labels that the output or a term other than i and j has. */
function neededBy(terms: readonly Term[], i: number, j: number, output: readonly string[]): Set<string> {
  const needed = new Set(output);
  terms.forEach((t, k) => {
    if (k !== i && k !== j) for (const l of t.labels) needed.add(l);
  });
  return needed;
}

/**
 * Sums of products over subscripts (Einstein's convention, as numpy.einsum): repeated subscripts, ellipsis, implicit output, any
 * number of operands, contracted two at a time.
 */
export const Einsum: Op = withHalf(
  since(12, (node) => {
    const equation = string(node, 'equation');
    const { inputs: lists, output } = parse(equation);
    return (inputs, rt) => {
      const operands = inputs.flatMap((t) => (t === undefined ? [] : [t]));
      if (operands.length !== lists.length || operands.length === 0)
        throw new ModelError(`"${equation}" has ${lists.length} operands, the node has ${operands.length}`);
      const ranks = lists.map((s, i) => ellipsisRank(s, operands[i]!, i));
      const labels = lists.map((s, i) => labelsOf(s, ranks[i]!));
      const sizes = sizesOf(operands, labels);
      const wide = Math.max(...ranks);
      const out = output === undefined ? implicit(labels, wide) : labelsOf(output, wide);
      for (const [i, l] of out.entries())
        if (!sizes.has(l) || out.indexOf(l) !== i)
          throw new ModelError(`"${equation}": expected outputs that are inputs, each once, found "${l}"`);
      const dtype = operands[0]!.dtype;
      for (const t of operands)
        if (t.dtype !== dtype) throw new ModelError(`inputs of one type expected, found ${dtype} and ${t.dtype}`);
      const terms = operands.map((t, i) => termOf(t, labels[i]!, sizes, rt));
      while (terms.length > 1) {
        const [i, j] = cheapest(terms, sizes, out);
        const needed = neededBy(terms, i, j, out);
        const made = contract(terms[i]!, terms[j]!, needed, rt);
        terms.splice(j, 1);
        terms[i] = made;
      }
      return [summed(terms[0]!, out, rt).t];
    };
  }),
);

/** Size of every label; axes of 1 go with any size. */
function sizesOf(operands: readonly Tensor[], labels: readonly (readonly string[])[]): Map<string, number> {
  const sizes = new Map<string, number>();
  operands.forEach((t, i) => {
    labels[i]!.forEach((l, a) => {
      const d = t.dims[a]!;
      const known = sizes.get(l) ?? 1;
      if (d !== known && d !== 1 && known !== 1)
        throw new ModelError(
          `input ${i}: axis ${a} of [${t.dims}] has size ${d}, expected ${known} of "${l}" elsewhere`,
        );
      sizes.set(l, known === 1 ? d : known);
    });
  });
  return sizes;
}

/** The output where none is written: the ellipsis, then the letters that are there once, in order. */
function implicit(labels: readonly (readonly string[])[], wide: number): string[] {
  const count = new Map<string, number>();
  for (const l of labels.flat()) count.set(l, (count.get(l) ?? 0) + 1);
  const letters = [...count.keys()].filter((l) => count.get(l) === 1 && !/^\d/.test(l)).sort();
  return [...Array.from({ length: wide }, (_, i) => String(wide - 1 - i)), ...letters];
}
