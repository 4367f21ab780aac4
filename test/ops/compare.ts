import * as assert from 'uvu/assert';
import ort from 'onnxruntime-node';
import { Session } from '../../src/graph/index.ts';
import { irOfOpset, makeInitializer, makeNode, readModel, writeModel } from '../../src/onnx/index.ts';
import type { Attribute, Model } from '../../src/onnx/model.ts';
import { arrayOf, DATA_TYPES, type DType, sizeOf, type Tensor, tensor, type TypedArray } from '../../src/tensor.ts';
import type { Wasm } from '../../src/wasm/wasm.ts';
import { loadWasm, random } from '../helpers.ts';

/** Single-node models, run here and by onnxruntime-node. */

export const wasm: Wasm = await loadWasm();

const NONE = new Uint8Array(0);

export interface Case {
  readonly opset?: number;
  /** Number of outputs. */
  readonly outputs?: number;
  /** Inputs that become initializers; all others are fed. */
  readonly constants?: readonly number[];
  readonly rtol?: number;
  readonly atol?: number;
  /** Domain of the operator, at version 1; ai.onnx where absent. */
  readonly domain?: string;
}

export type Attributes = Readonly<Record<string, Attribute>>;

/** A model of one node, through the writer and the reader. */
export function modelOf(
  opType: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Attributes = {},
  c: Case = {},
): Model {
  const opset = c.opset ?? 17;
  const constants = new Set(c.constants ?? []);
  const names = inputs.map((t, i) => (t === undefined ? '' : `x${i}`));
  const outputs = Array.from({ length: c.outputs ?? 1 }, (_, i) => `y${i}`);
  const fed = inputs.flatMap((t, i) => (t === undefined || constants.has(i) ? [] : [{ name: `x${i}`, t }]));
  const model: Model = {
    irVersion: irOfOpset(opset),
    opsets: new Map([['', opset], ...(c.domain ? [[c.domain, 1] as const] : [])]),
    producer: 'test',
    functions: [],
    rest: NONE,
    graph: {
      name: 'g',
      nodes: [makeNode(opType, names, outputs, attributes, { name: 'node', domain: c.domain ?? '' })],
      initializers: inputs.flatMap((t, i) =>
        t !== undefined && constants.has(i) ? [makeInitializer(`x${i}`, t)] : [],
      ),
      inputs: fed.map(({ name, t }) => ({ name, elemType: DATA_TYPES[t.dtype], dims: t.dims.map(() => null) })),
      outputs: outputs.map((name) => ({ name, elemType: undefined, dims: undefined })),
      valueInfo: [],
      rest: NONE,
    },
  };
  return readModel(writeModel(model), opType);
}

export function feedsOf(inputs: readonly (Tensor | undefined)[], c: Case = {}): Record<string, Tensor> {
  const constants = new Set(c.constants ?? []);
  return Object.fromEntries(inputs.flatMap((t, i) => (t === undefined || constants.has(i) ? [] : [[`x${i}`, t]])));
}

/** The node run here; the memory it used is checked to be free again. */
export function runHere(
  opType: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Attributes = {},
  c: Case = {},
): Tensor[] {
  const before = wasm.arena.used;
  const session = new Session(modelOf(opType, inputs, attributes, c), wasm);
  try {
    const out = session.run(feedsOf(inputs, c));
    return session.outputs.map((o) => out[o.name]!);
  } finally {
    session.dispose();
    assert.is(wasm.arena.used, before, `${opType}: memory was not freed`);
  }
}

const ORT_TYPES: Partial<Record<DType, ort.Tensor.Type>> = { float: 'float32', double: 'float64' };

export function toOrt(t: Tensor): ort.Tensor {
  const type = ORT_TYPES[t.dtype] ?? (t.dtype as ort.Tensor.Type);
  return new ort.Tensor(type, t.data as never, t.dims);
}

export function fromOrt(t: ort.Tensor): Tensor {
  const dtype = t.type === 'float32' ? 'float' : t.type === 'float64' ? 'double' : (t.type as DType);
  const type = arrayOf(dtype);
  const raw = t.data as unknown as TypedArray;
  const data = raw instanceof type ? raw : new type(raw.buffer as ArrayBuffer, raw.byteOffset, raw.length);
  return tensor(dtype, t.dims, data);
}

export async function runOrt(
  bytes: Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Record<string, Tensor>> {
  const session = await ort.InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
    graphOptimizationLevel: 'disabled',
  });
  const out = await session.run(Object.fromEntries(Object.entries(feeds).map(([k, t]) => [k, toOrt(t)])));
  const result = Object.fromEntries(Object.entries(out).map(([k, t]) => [k, fromOrt(t)]));
  await session.release();
  return result;
}

/** Same type, shape and elements: floats within |a - b| <= atol + rtol |b|, NaN and infinities alike. */
export function same(actual: Tensor, expected: Tensor, what: string, rtol = 1e-5, atol = 1e-6): void {
  assert.is(actual.dtype, expected.dtype, `${what}: type`);
  assert.equal([...actual.dims], [...expected.dims], `${what}: shape`);
  const difference = firstDifference(actual, expected, rtol, atol);
  assert.is(difference, undefined, `${what}: ${difference}`);
}

function half(bits: number): number {
  const e = (bits >> 10) & 31;
  const m = bits & 1023;
  const v =
    e === 0 ? m * 2 ** -24 : e === 31 ? (m ? Number.NaN : Number.POSITIVE_INFINITY) : (1 + m / 1024) * 2 ** (e - 15);
  return bits & 0x8000 ? -v : v;
}

function brain(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
}

export function firstDifference(actual: Tensor, expected: Tensor, rtol: number, atol: number): string | undefined {
  const floating = ['float', 'double', 'float16', 'bfloat16'].includes(expected.dtype);
  for (let i = 0; i < expected.data.length; i++) {
    let [a, b] = [actual.data[i]!, expected.data[i]!];
    if (expected.dtype === 'float16') [a, b] = [half(Number(a)), half(Number(b))];
    if (expected.dtype === 'bfloat16') [a, b] = [brain(Number(a)), brain(Number(b))];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    if (floating && Math.abs(Number(a) - Number(b)) <= atol + rtol * Math.abs(Number(b))) continue;
    return `element ${i}: ${a}, expected ${b}`;
  }
  return undefined;
}

/** Runs the node here and by onnxruntime and compares every output. */
export async function agree(
  opType: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Attributes = {},
  c: Case = {},
): Promise<void> {
  const bytes = writeModel(modelOf(opType, inputs, attributes, c));
  const expected = await runOrt(bytes, feedsOf(inputs, c));
  const actual = runHere(opType, inputs, attributes, c);
  actual.forEach((t, i) => {
    const shapes = inputs.map((x) => (x ? `${x.dtype}[${x.dims}]` : '-')).join(' ');
    const named = Object.entries(attributes).map(
      ([k, a]) => `${k}=${JSON.stringify(a.value, (_, v) => (typeof v === 'bigint' ? Number(v) : v))}`,
    );
    same(t, expected[`y${i}`]!, `${opType} ${shapes} ${named} opset ${c.opset ?? 17} output ${i}`, c.rtol, c.atol);
  });
}

/** As `agree`, for types that onnxruntime may not have: then nothing is compared, but the node must run here. */
export async function agreeIfThere(...args: Parameters<typeof agree>): Promise<void> {
  try {
    await agree(...args);
  } catch (e) {
    if (!/not.implemented|could not find an implementation|invalid model. Type Error/i.test((e as Error).message))
      throw e;
    runHere(args[0], args[1], args[2], args[3]);
  }
}

// Short forms for tests

export const int = (value: number): Attribute => ({ type: 'int', value });
export const ints = (...value: number[]): Attribute => ({ type: 'ints', value });
export const float = (value: number): Attribute => ({ type: 'float', value: Math.fround(value) });
export const string = (value: string): Attribute => ({ type: 'string', value });

const next = random(20240607);

/** Seeded floats in [lo, hi). */
export function floats(dims: readonly number[], lo = -2, hi = 2): Tensor {
  return tensor(
    'float',
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => lo + (hi - lo) * next()),
  );
}

/** Seeded integers lo..hi of any type. */
export function integers(dtype: DType, dims: readonly number[], lo: number, hi: number): Tensor {
  const big = dtype === 'int64' || dtype === 'uint64';
  const draw = () => Math.floor(lo + (hi - lo + 1) * next());
  const data = Array.from({ length: sizeOf(dims) }, draw);
  return tensor(
    dtype,
    dims,
    big
      ? (arrayOf(dtype) as BigInt64ArrayConstructor).from(data, BigInt)
      : (arrayOf(dtype) as Int8ArrayConstructor).from(data),
  );
}

/** A rank 1 int64 tensor. */
export const list = (...v: number[]): Tensor => tensor('int64', [v.length], BigInt64Array.from(v, BigInt));
/** A float tensor of these values. */
export const of = (dims: readonly number[], ...v: number[]): Tensor => tensor('float', dims, Float32Array.from(v));
/** A double tensor of these values. */
export const doubles = (dims: readonly number[], ...v: number[]): Tensor =>
  tensor('double', dims, Float64Array.from(v));
/** A scalar of any type. */
export function scalar(dtype: DType, v: number): Tensor {
  const big = dtype === 'int64' || dtype === 'uint64';
  return tensor(
    dtype,
    [],
    big ? (arrayOf(dtype) as BigInt64ArrayConstructor).of(BigInt(v)) : (arrayOf(dtype) as Int8ArrayConstructor).of(v),
  );
}
