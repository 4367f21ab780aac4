/** A float network rewritten with 8-bit weights and activations, in the form runtimes make integer operators of. */
import {
  makeInitializer,
  type Model,
  makeNode,
  type Node,
  readModel,
  Session,
  type Tensor,
  writeModel,
} from '../../src/node.ts';
import { kernelsOf } from './lab.ts';

type Feeds = Readonly<Record<string, Tensor>>;

const scalar = (v: number): Tensor => ({ dtype: 'float', dims: [], data: Float32Array.of(v) });

/** Smallest and largest element of every float value of one run, 0 among them. */
async function rangesOf(model: Model, feeds: Feeds): Promise<Map<string, readonly [number, number]>> {
  const ranges = new Map<string, readonly [number, number]>();
  const see = (name: string, t: Tensor) => {
    if (t.dtype !== 'float') return;
    const ends: [number, number] = [0, 0];
    for (const v of t.data as Float32Array) {
      if (v < ends[0]) ends[0] = v;
      if (v > ends[1]) ends[1] = v;
    }
    ranges.set(name, ends);
  };
  for (const [name, t] of Object.entries(feeds)) see(name, t);
  const session = new Session(model, await kernelsOf('plain', 1));
  try {
    session.run(feeds, { observe: (node, _, made) => made.forEach((t, i) => see(node.outputs[i]!, t)) });
  } finally {
    session.dispose();
  }
  return ranges;
}

/**
 * QuantizeLinear and DequantizeLinear behind the input, every convolution, sum and pooling (behind the Relu that reads it alone,
 * where one does): uint8 over the range of one run. Weights of Conv and Gemm in int8, a scale a row; biases in int32.
 */
export async function withIntegers(bytes: Uint8Array, feeds: Feeds): Promise<Uint8Array> {
  const model = readModel(bytes);
  const { graph } = model;
  const ranges = await rangesOf(model, feeds);
  const weights = new Map(graph.initializers.map((t) => [t.name, t]));
  const initializers = [...graph.initializers];
  const nodes: Node[] = [];
  const keep = (name: string, t: Tensor): string => {
    initializers.push(makeInitializer(name, t));
    return name;
  };
  const add = (op: string, inputs: readonly string[], output: string, axis?: number): string => {
    nodes.push(makeNode(op, inputs, [output], axis === undefined ? {} : { axis: { type: 'int', value: axis } }));
    return output;
  };
  const scales = new Map<string, { value: number; names: readonly [string, string]; decoded: string }>();
  const round = (v: string, like?: string) => {
    const [lo, hi] = ranges.get(v)!;
    const value = Math.fround((hi - lo) / 255) || 1;
    const zero: Tensor = { dtype: 'uint8', dims: [], data: Uint8Array.of(Math.round(-lo / value)) };
    const own = like === undefined ? undefined : scales.get(like);
    const names = own?.names ?? ([keep(`${v}.scale`, scalar(value)), keep(`${v}.zero`, zero)] as const);
    const codes = add('QuantizeLinear', [v, ...names], `${v}.codes`);
    const decoded = add('DequantizeLinear', [codes, ...names], `${v}.rounded`);
    scales.set(v, { value: own?.value ?? value, names, decoded });
  };
  const readers = (v: string): readonly Node[] => graph.nodes.filter((n) => n.inputs.includes(v));
  for (const v of Object.keys(feeds)) round(v);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((v) => scales.get(v)?.decoded ?? v);
    const w = weights.get(node.inputs[1] ?? '');
    if (w !== undefined && (node.opType === 'Conv' || node.opType === 'Gemm')) {
      const rows = w.dims[0]!;
      const values = w.tensor().data as Float32Array;
      const each = values.length / rows;
      const steps = Float32Array.from({ length: rows }, (_, i) => {
        return values.subarray(i * each, (i + 1) * each).reduce((a, v) => Math.max(a, Math.abs(v)), 1e-12) / 127;
      });
      const codes = Int8Array.from(values, (v, i) => Math.round(v / steps[Math.floor(i / each)]!));
      const stored = keep(`${w.name}.codes`, { dtype: 'int8', dims: w.dims, data: codes });
      const step = keep(`${w.name}.scale`, { dtype: 'float', dims: [rows], data: steps });
      const zero = keep(`${w.name}.zero`, { dtype: 'int8', dims: [rows], data: new Int8Array(rows) });
      inputs[1] = add('DequantizeLinear', [stored, step, zero], `${w.name}.rounded`, 0);
      const b = weights.get(node.inputs[2] ?? '');
      if (b !== undefined) {
        const units = steps.map((s) => s * scales.get(node.inputs[0]!)!.value);
        const sums = Int32Array.from(b.tensor().data as Float32Array, (v, i) => Math.round(v / units[i]!));
        const held = keep(`${b.name}.codes`, { dtype: 'int32', dims: [rows], data: sums });
        inputs[2] = add(
          'DequantizeLinear',
          [held, keep(`${b.name}.scale`, { dtype: 'float', dims: [rows], data: units })],
          `${b.name}.rounded`,
          0,
        );
      }
    }
    nodes.push(makeNode(node.opType, inputs, node.outputs, Object.fromEntries(node.attributes), { name: node.name }));
    const y = node.outputs[0]!;
    const [next, ...others] = readers(y);
    const clamped = others.length === 0 && next?.opType === 'Relu';
    if (['Conv', 'Add', 'Relu', 'GlobalAveragePool'].includes(node.opType) && !clamped) round(y);
    if (['MaxPool', 'Flatten'].includes(node.opType)) round(y, node.inputs[0]);
  }
  const used = new Set(nodes.flatMap((n) => n.inputs));
  const opsets = new Map([['', Math.max(13, model.opsets.get('') ?? 0)]]);
  const { name, inputs, outputs } = graph;
  const rest = new Uint8Array(0);
  return writeModel({
    irVersion: model.irVersion,
    opsets,
    producer: 'kappa bench',
    functions: [],
    rest,
    graph: {
      name,
      nodes,
      initializers: initializers.filter((t) => used.has(t.name)),
      inputs,
      outputs,
      valueInfo: [],
      rest,
    },
  });
}
