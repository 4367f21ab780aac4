import { UnsupportedError } from '../../errors.ts';
import { type Session, usesOf } from '../../graph/index.ts';
import type { Graph, Model, Node, ValueInfo } from '../../onnx/model.ts';
import { type DType, dtypeOf } from '../../tensor.ts';

/** What the graph says of one input, beyond its type and shape. */
export interface InputKind {
  readonly name: string;
  readonly dtype: DType;
  /** A size, a symbol, or null for one nobody named. */
  readonly dims: readonly (number | string | null)[];
  /** Rows of the smallest table it indexes. */
  readonly rows: number | undefined;
  /** Constants it is compared with: the values that mean something. */
  readonly compared: readonly number[];
  /** Axis of a picture's channels, and how many: [N, C, H, W] or [N, H, W, C]. */
  readonly picture: { readonly axis: number; readonly channels: number } | undefined;
}

/** Nodes that pass elements on as they are, in some shape or type. */
const PASSING = ['Identity', 'Cast', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Transpose', 'Slice', 'Expand'];
/** The same, and those that change them one by one: what a value goes through before it is used. */
const LIGHT = [...PASSING, 'Add', 'Sub', 'Mul', 'Div', 'Pad', 'BatchNormalization', 'Clip'];
const DEEP = 256;

/** @throws UnsupportedError for an input that is no tensor, or of a type Kappa has none of */
export function inputKinds(model: Model, session: Session): InputKind[] {
  const finder = new Finder(model.graph);
  return session.inputs.map((input) => finder.kind(input));
}

class Finder {
  private readonly readers: ReadonlyMap<string, readonly Node[]>;
  private readonly maker: ReadonlyMap<string, Node>;
  private readonly shapes: ReadonlyMap<string, readonly number[]>;
  private readonly numbers: (name: string) => readonly number[] | undefined;

  constructor(graph: Graph) {
    const { readers, maker } = usesOf(graph);
    this.readers = readers;
    this.maker = maker;
    this.shapes = new Map(graph.initializers.map((i) => [i.name, i.dims]));
    const held = new Map(graph.initializers.map((i) => [i.name, i]));
    this.numbers = (name) => {
      const t = held.get(name)?.tensor() ?? this.constant(name);
      return t && t.data.length <= 64 ? Array.from(t.data as ArrayLike<number | bigint>, Number) : undefined;
    };
  }

  kind(input: ValueInfo): InputKind {
    const dtype = input.elemType === undefined ? undefined : dtypeOf(input.elemType);
    if (dtype === undefined)
      throw new UnsupportedError(`data-free: input "${input.name}" is of a type no numbers are drawn for`);
    const integer = !['float', 'double', 'float16', 'bfloat16'].includes(dtype);
    const dims = input.dims ?? this.dimsFrom(input.name, integer);
    const rows = integer ? this.rows(input.name) : undefined;
    const compared = integer ? this.compared(input.name) : [];
    return {
      name: input.name,
      dtype,
      dims,
      rows,
      compared,
      picture: integer ? undefined : this.picture(input.name, dims),
    };
  }

  /** Who reads a value, through nodes of some kinds: each with the name by which it does. */
  private *behind(name: string, through: readonly string[]): Generator<{ node: Node; value: string }> {
    const names = [name];
    const seen = new Set(names);
    for (let i = 0; i < names.length && i < DEEP; i++)
      for (const node of this.readers.get(names[i]!) ?? []) {
        yield { node, value: names[i]! };
        const made = node.outputs[0]!;
        if (node.domain !== '' || !through.includes(node.opType) || seen.has(made)) continue;
        seen.add(made);
        names.push(made);
      }
  }

  private rows(name: string): number | undefined {
    let least: number | undefined;
    for (const { node, value } of this.behind(name, PASSING)) {
      if (node.opType !== 'Gather' || node.inputs[1] !== value) continue;
      const dims = this.shapeOf(node.inputs[0]!);
      const axis = Number(node.attributes.get('axis')?.value ?? 0);
      const rows = dims?.[axis < 0 ? axis + dims.length : axis];
      if (rows !== undefined && rows > 0) least = Math.min(least ?? rows, rows);
    }
    return least;
  }

  private compared(name: string): number[] {
    const found = new Set<number>();
    for (const { node, value } of this.behind(name, PASSING))
      if (node.opType === 'Equal')
        for (const other of node.inputs) if (other !== value) for (const v of this.numbers(other) ?? []) found.add(v);
    return [...found];
  }

  private picture(name: string, dims: InputKind['dims']): InputKind['picture'] {
    if (dims.length !== 4) return undefined;
    const small = (d: unknown) => typeof d === 'number' && d >= 1 && d <= 4;
    if (small(dims[1])) return { axis: 1, channels: dims[1] as number };
    if (small(dims[3]) && !small(dims[2])) return { axis: 3, channels: dims[3] as number };
    const channels = typeof dims[1] === 'number' ? undefined : this.convChannels(name);
    return channels !== undefined && channels <= 4 ? { axis: 1, channels } : undefined;
  }

  /** Channels of the first convolution a value comes to. */
  private convChannels(name: string): number | undefined {
    return this.convolution(name)?.channels;
  }

  private convolution(name: string): { channels: number; rank: number } | undefined {
    for (const { node, value } of this.behind(name, LIGHT)) {
      const dims = node.opType === 'Conv' && node.inputs[0] === value ? this.shapeOf(node.inputs[1]!) : undefined;
      if (dims !== undefined)
        return { channels: dims[1]! * Number(node.attributes.get('group')?.value ?? 1), rank: dims.length };
    }
    return undefined;
  }

  /** Dimensions of an input that declares none. */
  private dimsFrom(name: string, integer: boolean): InputKind['dims'] {
    const convolution = this.convolution(name);
    if (convolution) return Array.from({ length: convolution.rank }, (_, i) => (i === 1 ? convolution.channels : null));
    return integer ? [null, null] : [null, this.features(name) ?? null];
  }

  /** Inputs of the first product with a constant matrix that a value comes to. */
  private features(name: string): number | undefined {
    for (const { node, value } of this.behind(name, LIGHT)) {
      if (!['Gemm', 'MatMul'].includes(node.opType) || node.inputs[0] !== value) continue;
      const dims = this.shapeOf(node.inputs[1]!);
      const transposed = Number(node.attributes.get('transB')?.value ?? 0) !== 0;
      if (dims?.length === 2) return dims[transposed ? 1 : 0];
    }
    return undefined;
  }

  private shapeOf(name: string): readonly number[] | undefined {
    let value = name;
    for (let steps = 0; steps < DEEP; steps++) {
      const dims = this.shapes.get(value) ?? this.constant(value)?.dims;
      if (dims !== undefined) return dims;
      const node = this.maker.get(value);
      if (node?.opType !== 'Identity') return undefined;
      value = node.inputs[0]!;
    }
    return undefined;
  }

  private constant(name: string) {
    const node = this.maker.get(name);
    const value = node?.opType === 'Constant' && node.domain === '' ? node.attributes.get('value') : undefined;
    return value?.type === 'tensor' ? value.value : undefined;
  }
}
