import type { Node } from '../onnx/model.ts';
import { DATA_TYPES } from '../tensor.ts';

/** A weight as a node sees it after Transpose, Reshape and their like: which stored elements its axes run over. */

/** Part of an axis: `size` elements, `stride` apart in the weight as stored. */
export interface Piece {
  readonly size: number;
  readonly stride: number;
}

/** Axes, each as its pieces from the outermost in; an axis of size 1 may have none. */
export type View = readonly (readonly Piece[])[];

/** A whole tensor, row-major. */
export function viewOf(dims: readonly number[]): View {
  let stride = 1;
  const out: Piece[][] = [];
  for (const size of [...dims].reverse()) {
    out.unshift([{ size, stride }]);
    stride *= size;
  }
  return out;
}

export function dimsOf(view: View): number[] {
  return view.map((axis) => axis.reduce((n, p) => n * p.size, 1));
}

const FLOATING: readonly number[] = [DATA_TYPES.float, DATA_TYPES.float16, DATA_TYPES.double, DATA_TYPES.bfloat16];

/** Whether a node puts out the elements of its first input, all of them, in some shape and order. */
export function passesOn(node: Node): boolean {
  if (node.domain !== '') return false;
  if (node.opType === 'Cast') return FLOATING.includes(Number(node.attributes.get('to')?.value));
  return ['Identity', 'Transpose', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'].includes(node.opType);
}

/**
 * What a node that passes its first input on makes of a view of it; undefined where that cannot be told.
 * @param constant elements of an integer input, undefined where it is not constant
 */
export function through(
  node: Node,
  view: View,
  constant: (name: string) => readonly number[] | undefined,
): View | undefined {
  const dims = dimsOf(view);
  const ints = (name: string, input?: number): readonly number[] | undefined => {
    const a = node.attributes.get(name);
    if (a?.type === 'ints') return a.value;
    const from = input === undefined ? undefined : node.inputs[input];
    return from ? constant(from) : undefined;
  };
  switch (node.opType) {
    case 'Identity':
    case 'Cast':
      return view;
    case 'Transpose': {
      const perm = ints('perm') ?? dims.map((_, i) => dims.length - 1 - i);
      const valid = perm.length === dims.length && new Set(perm).size === perm.length && perm.every((p) => view[p]);
      return valid ? perm.map((p) => view[p]!) : undefined;
    }
    case 'Reshape': {
      const shape = ints('shape', 1);
      return shape && reshaped(view, shape, Number(node.attributes.get('allowzero')?.value ?? 0) !== 0);
    }
    case 'Flatten': {
      const axis = Number(node.attributes.get('axis')?.value ?? 1);
      const at = axis < 0 ? axis + dims.length : axis;
      return at >= 0 && at <= dims.length ? [view.slice(0, at).flat(), view.slice(at).flat()] : undefined;
    }
    case 'Squeeze': {
      const axes = ints('axes', 1)?.map((a) => (a < 0 ? a + dims.length : a));
      if (axes === undefined && node.inputs[1]) return undefined;
      const drop = (_: unknown, i: number) => (axes ? axes.includes(i) : dims[i] === 1);
      return view.some((axis, i) => drop(axis, i) && dims[i] !== 1)
        ? undefined
        : view.filter((axis, i) => !drop(axis, i));
    }
    case 'Unsqueeze': {
      const axes = ints('axes', 1);
      if (axes === undefined) return undefined;
      const rank = dims.length + axes.length;
      const at = new Set(axes.map((a) => (a < 0 ? a + rank : a)));
      if (at.size !== axes.length || [...at].some((a) => !(a >= 0 && a < rank))) return undefined;
      const rest = [...view];
      return Array.from({ length: rank }, (_, i) => (at.has(i) ? [] : rest.shift()!));
    }
    default:
      return undefined;
  }
}

function reshaped(view: View, shape: readonly number[], zeros: boolean): View | undefined {
  const dims = dimsOf(view);
  const total = dims.reduce((n, d) => n * d, 1);
  const copied = shape.map((d, i) => (d === 0 && !zeros ? (dims[i] ?? -2) : d));
  const known = copied.reduce((n, d) => (d === -1 ? n : n * d), 1);
  const sizes = copied.map((d) => (d === -1 ? total / known : d));
  if (sizes.some((d) => !Number.isSafeInteger(d) || d < 1)) return undefined;
  if (sizes.reduce((n, d) => n * d, 1) !== total) return undefined;
  const left = view.flat().filter((p) => p.size > 1);
  const out: Piece[][] = [];
  for (const size of sizes) {
    const axis: Piece[] = [];
    for (let need = size; need > 1; ) {
      const piece = left.shift();
      if (piece === undefined) return undefined;
      if (need % piece.size === 0) {
        axis.push(piece);
        need /= piece.size;
        continue;
      }
      const parts = splitPiece(piece, need);
      if (parts === undefined) return undefined;
      axis.push(parts[0]);
      left.unshift(parts[1]);
      need = 1;
    }
    out.push(axis);
  }
  return out;
}

/** A piece as one of `outer` elements and one inside each of them; undefined where it does not divide. */
export function splitPiece({ size, stride }: Piece, outer: number): readonly [Piece, Piece] | undefined {
  if (size % outer !== 0) return undefined;
  const inner = size / outer;
  return [
    { size: outer, stride: stride * inner },
    { size: inner, stride },
  ];
}

/**
 * A weight as the matrix of its rows: `shape` has as many elements as the weight, in the order they are stored, and the row
 * of an element is its index along `rowAxis`, together with those along the first `lead` axes, which come first.
 */
export interface RowForm {
  readonly shape: readonly number[];
  readonly rowAxis: number;
  readonly lead: number;
  /** Whether the elements of a row lie in the order in which the node that reads them counts its inputs. */
  readonly inOrder: boolean;
}

/**
 * The row form of a weight whose rows run over some pieces of a view and whose columns over the others.
 * @param dims shape as stored
 * @returns undefined where rows and columns alternate too often to be told apart by two axes
 */
export function rowForm(dims: readonly number[], rows: readonly Piece[], cols: readonly Piece[]): RowForm | undefined {
  const real = (list: readonly Piece[]) => list.filter((p) => p.size > 1);
  const marked = [...real(rows).map((p) => ({ ...p, row: true })), ...real(cols).map((p) => ({ ...p, row: false }))];
  marked.sort((a, b) => b.stride - a.stride);
  const runs: { row: boolean; size: number }[] = [];
  for (const { row, size } of marked) {
    const last = runs.at(-1);
    if (last?.row === row) last.size *= size;
    else runs.push({ row, size });
  }
  const inOrder = real(cols).every((p, i, all) => i === 0 || all[i - 1]!.stride > p.stride);
  const pattern = runs.map((r) => (r.row ? 'R' : 'C')).join('');
  const sizes = runs.map((r) => r.size);
  if (['RCR', 'RCRC'].includes(pattern)) return { shape: sizes, rowAxis: 2, lead: 1, inOrder };
  const at = runs.findIndex((r) => r.row);
  if (at < 0) return { shape: [1, ...sizes], rowAxis: 0, lead: 0, inOrder };
  if (runs.filter((r) => r.row).length > 1) return undefined;
  // The stored shape itself, where one of its axes is the rows.
  const before = sizes.slice(0, at).reduce((n, d) => n * d, 1);
  let outside = 1;
  for (const [axis, d] of dims.entries()) {
    if (d === sizes[at] && outside === before) return { shape: dims, rowAxis: axis, lead: 0, inOrder };
    outside *= d;
  }
  return { shape: sizes, rowAxis: at, lead: 0, inOrder };
}
