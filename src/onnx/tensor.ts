/**
 * TensorProto <-> Tensor (ONNX IR specification, "Tensors"; onnx.proto, TensorProto). Elements are little-endian, in
 * `raw_data` or in the typed field their type uses; 4- and 2-bit elements are packed two or four a byte, first in the
 * low bits.
 */
import proto from 'onnx-proto';
import { KappaError, ModelError, UnsupportedError } from '../errors.ts';
import type { DType, Tensor, TypedArray } from '../tensor.ts';
import { arrayOf, bitsOf, DATA_TYPES, dtypeOf } from '../tensor.ts';
import type { Initializer } from './model.ts';
import { TENSOR } from './schema.ts';
import { show, showDims } from './show.ts';
import type { Parts } from './wire.ts';
import { attempt, checkNames, encoded, split, toNumber } from './wire.ts';

/** Gives `length` bytes of a tensor kept outside the model file. The location is as the file has it: untrusted. */
export type External = (location: string, offset: number, length: number) => Uint8Array;

/** How a model's bytes are read. */
export interface ReadOptions {
  /** Resolver of external data; without one a tensor kept outside the model file is an UnsupportedError. */
  readonly external?: External | undefined;
}

/** Types of TensorProto.DataType that Kappa has no `DType` for, for messages. */
const OTHER_TYPES: Readonly<Record<number, string>> = {
  0: 'undefined',
  8: 'string',
  14: 'complex64',
  15: 'complex128',
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
  23: 'float4e2m1',
  24: 'float8e8m0',
};

/** A type's name as ONNX spells it, for messages: 'float', 'bfloat16', 'type 99'. */
export function typeName(dataType: number): string {
  return dtypeOf(dataType) ?? OTHER_TYPES[dataType] ?? `type ${dataType}`;
}

const RAW = 9;
/** Elements that are copied out of the file are kept up to that many bytes. */
const SMALL = 2 ** 16;
/** Dimensions of one tensor; NumPy's limit too. */
const MAX_RANK = 64;
const TYPED = { float_data: 4, int32_data: 5, int64_data: 7, double_data: 10, uint64_data: 11 } as const;

/** The typed field that holds elements of a type where `raw_data` is not used. */
function typedField(dtype: DType): keyof typeof TYPED {
  if (dtype === 'float') return 'float_data';
  if (dtype === 'double') return 'double_data';
  if (dtype === 'int64') return 'int64_data';
  if (dtype === 'uint64' || dtype === 'uint32') return 'uint64_data';
  return 'int32_data';
}

/**
 * A TensorProto as an Initializer, its elements decoded when asked for.
 * @param where what errors call it when it has no name of its own
 * @throws ModelError for a damaged message
 */
export function readTensor(wire: Uint8Array, where: string, options: ReadOptions = {}): Initializer {
  const parts = split(wire, TENSOR, where, [...Object.values(TYPED), RAW, 6], [1, 2, 8, 13, 14]);
  const t = attempt(() => proto.onnx.TensorProto.decode(parts.head), `${where}: damaged TensorProto`);
  checkNames([t.name], parts.head, where);
  const label = t.name ? `${where} ${show(t.name)}` : where;
  if (t.dims.length > MAX_RANK)
    throw new ModelError(`${label}: ${t.dims.length} dimensions, expected ${MAX_RANK} at most`);
  const dims = t.dims.map((d) => toNumber(d));
  const bad = dims.find((d) => !(d >= 0 && d <= Number.MAX_SAFE_INTEGER));
  if (bad !== undefined) throw new ModelError(`${label}: dimension ${bad} in ${showDims(dims)}, expected 0 or more`);
  const external = t.dataLocation === 1 ? externalOf(t.externalData, label) : undefined;
  let made: Tensor | undefined;
  let copied: WeakRef<TypedArray> | undefined;
  return {
    name: t.name,
    dataType: t.dataType,
    dims,
    wire,
    external: external?.location,
    tensor() {
      // What lies outside may be larger than memory: it is read whenever it is asked for.
      if (external) return decode(parts, t.dataType, dims, label, external, options);
      if (made !== undefined) return made;
      const data = copied?.deref();
      const dtype = dtypeOf(t.dataType);
      if (data !== undefined && dtype !== undefined) return { dtype, dims, data };
      const found = decode(parts, t.dataType, dims, label, undefined, options);
      // A copy of what the file holds is quickly made again: it is kept only as long as somebody else does.
      if (found.data.buffer !== wire.buffer && found.data.byteLength > SMALL && hasRaw(parts))
        copied = new WeakRef(found.data);
      else made = found;
      return found;
    },
    floatBytes() {
      if (external || dtypeOf(t.dataType) !== 'float' || !hasRaw(parts)) return undefined;
      const bytes = parts.taken(RAW).at(-1)!;
      return bytes.length === 4 * elements(dims, label) && parts.joined(TYPED.float_data).length === 0
        ? bytes
        : undefined;
    },
  };
}

function hasRaw(parts: Parts): boolean {
  return (parts.taken(RAW).at(-1)?.length ?? 0) > 0;
}

interface Place {
  location: string;
  offset: number;
  length: number | undefined;
}

function externalOf(entries: readonly { key?: string | null; value?: string | null }[], label: string): Place {
  const map = new Map(entries.map((e) => [e.key ?? '', e.value ?? '']));
  const number = (key: string): number | undefined => {
    const text = map.get(key);
    if (text === undefined) return undefined;
    const n = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(n))
      throw new ModelError(`${label}: external data ${key} is ${show(text)}, expected a count of bytes`);
    return n;
  };
  const location = map.get('location');
  if (!location) throw new ModelError(`${label}: external data without a location`);
  return { location, offset: number('offset') ?? 0, length: number('length') };
}

function decode(
  parts: Parts,
  dataType: number,
  dims: readonly number[],
  label: string,
  external: Place | undefined,
  options: ReadOptions,
): Tensor {
  const dtype = dtypeOf(dataType);
  if (!dtype) throw new UnsupportedError(`${label}: elements of ${typeName(dataType)} are not supported`);
  const size = elements(dims, label);
  const shown = `${dtype} ${showDims(dims)}`;
  if (external) {
    if (!options.external)
      throw new UnsupportedError(
        `${label}: its elements are kept outside the model, in ${show(external.location)}: read the model from its file, or give readModel a resolver of external data`,
      );
    const what = `${label} (${shown} in ${show(external.location)})`;
    const want = storedBytes(dtype, size);
    if (external.length !== undefined && external.length !== want)
      throw new ModelError(`${what}: expected ${want} bytes, found a length of ${external.length}`);
    let bytes: Uint8Array;
    try {
      bytes = options.external(external.location, external.offset, want);
    } catch (error) {
      if (error instanceof KappaError) throw new ModelError(`${label}: ${error.message}`, { cause: error });
      if (error instanceof RangeError)
        throw new ModelError(`${what}: ${want} bytes do not fit into memory`, { cause: error });
      throw error;
    }
    return { dtype, dims, data: fromRaw(dtype, size, bytes, what) };
  }
  const raw = parts.taken(RAW).pop();
  const field = typedField(dtype);
  const stored = parts.joined(TYPED[field]);
  // An empty raw_data beside typed elements counts as absent.
  if (raw && (raw.length > 0 || stored.length === 0)) {
    if (stored.length > 0) throw new ModelError(`${label}: elements both in raw_data and in ${field}`);
    return { dtype, dims, data: fromRaw(dtype, size, raw, `${label} (${shown})`) };
  }
  return { dtype, dims, data: fromTyped(dtype, size, stored, field, `${label} (${shown})`) };
}

/** The product of dims. @throws ModelError where it is no safe integer */
function elements(dims: readonly number[], label: string): number {
  if (dims.includes(0)) return 0;
  let n = 1;
  for (const d of dims) {
    n *= d;
    if (n > Number.MAX_SAFE_INTEGER)
      throw new ModelError(`${label}: shape ${showDims(dims)} has more elements than can exist`);
  }
  return n;
}

/** Bytes of `size` elements as ONNX stores them. */
function storedBytes(dtype: DType, size: number): number {
  return Math.ceil((size * bitsOf(dtype)) / 8);
}

function fromRaw(dtype: DType, size: number, raw: Uint8Array, what: string): TypedArray {
  const want = storedBytes(dtype, size);
  if (raw.length !== want) throw new ModelError(`${what}: expected ${want} bytes of raw_data, found ${raw.length}`);
  const bits = bitsOf(dtype);
  if (bits < 8) return unpack(raw, size, bits, dtype.startsWith('int'));
  const Ctor = arrayOf(dtype);
  const aligned = raw.byteOffset % Ctor.BYTES_PER_ELEMENT === 0;
  const bytes = aligned ? raw : raw.slice();
  return new Ctor(bytes.buffer as ArrayBuffer, bytes.byteOffset, size);
}

/** Elements of 4 or 2 bits, one each, from their packed form: first in the low bits, two's complement where signed. */
export function unpack(packed: Uint8Array, size: number, bits: number, signed: boolean): Int8Array | Uint8Array {
  const out = signed ? new Int8Array(size) : new Uint8Array(size);
  const per = 8 / bits;
  const lift = 8 - bits;
  for (let i = 0; i < size; i++) {
    const shift = (i % per) * bits;
    const high = (packed[Math.floor(i / per)]! >> shift) << lift;
    out[i] = signed ? (high << 24) >> (24 + lift) : (high & 0xff) >> lift;
  }
  return out;
}

/** The inverse of `unpack`; the last byte is filled with zeros. */
export function pack(values: TypedArray, bits: number): Uint8Array {
  const per = 8 / bits;
  const out = new Uint8Array(Math.ceil(values.length / per));
  const mask = (1 << bits) - 1;
  for (let i = 0; i < values.length; i++) out[Math.floor(i / per)]! |= (Number(values[i]) & mask) << ((i % per) * bits);
  return out;
}

function fromTyped(dtype: DType, size: number, stored: Uint8Array, field: string, what: string): TypedArray {
  if (dtype === 'float' || dtype === 'double') {
    const each = dtype === 'float' ? 4 : 8;
    if (stored.length !== size * each)
      throw new ModelError(`${what}: expected ${size} elements in ${field}, found ${stored.length / each}`);
    return fromRaw(dtype, size, stored, what);
  }
  const bits = bitsOf(dtype);
  const want = bits < 8 ? storedBytes(dtype, size) : size;
  const found = countVarints(stored);
  if (found !== want) throw new ModelError(`${what}: expected ${want} entries in ${field}, found ${found}`);
  if (bits < 8) return unpack(narrow(stored, 'uint8', want, field, what) as Uint8Array, size, bits, dtype[0] === 'i');
  return narrow(stored, dtype, size, field, what);
}

function countVarints(bytes: Uint8Array): number {
  let n = 0;
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! < 128) n++;
  return n;
}

/** Least and greatest entry that means an element of the type; a byte of packed elements may be written signed. */
const LIMITS: Readonly<Partial<Record<DType, readonly [number, number]>>> = {
  uint8: [-128, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  float16: [0, 65535],
  bfloat16: [0, 65535],
  bool: [0, 1],
};

/** Varints into an array of the type. `stored` holds exactly `size` of them. */
function narrow(stored: Uint8Array, dtype: DType, size: number, field: string, what: string): TypedArray {
  const data = new (arrayOf(dtype))(size);
  const limits = LIMITS[dtype];
  const wide = data instanceof BigInt64Array || data instanceof BigUint64Array;
  const words = wide ? new Uint32Array(data.buffer) : undefined;
  let at = 0;
  for (let i = 0; i < size; i++) {
    let low = 0;
    let high = 0;
    let shift = 0;
    for (let byte = 128; byte >= 128; shift += 7) {
      byte = stored[at++]!;
      const low7 = byte & 127;
      if (shift < 28) low |= low7 << shift;
      else if (shift === 28) {
        low |= low7 << 28;
        high |= low7 >> 4;
      } else if (shift < 64) high |= low7 << (shift - 32);
    }
    if (words) {
      words[2 * i] = low;
      words[2 * i + 1] = high;
    } else if (dtype === 'uint32') {
      if (high !== 0) throw outside(what, field, i, dtype, toNumber({ low, high, unsigned: false }));
      data[i] = low >>> 0;
    } else {
      // int32 entries are the low 32 bits; negative ones are written with all 64.
      if (limits && (low < limits[0] || low > limits[1])) throw outside(what, field, i, dtype, low);
      data[i] = low;
    }
  }
  return data;
}

function outside(what: string, field: string, i: number, dtype: DType, value: number): ModelError {
  return new ModelError(`${what}: ${field}[${i}] is ${value}, which is no ${dtype}`);
}

/** The elements as `raw_data` stores them: a view where that is possible, packed for the 4- and 2-bit types. */
export function rawBytes(t: Tensor): Uint8Array {
  const bits = bitsOf(t.dtype);
  if (bits < 8) return pack(t.data, bits);
  return new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength);
}

/**
 * An initializer of a new tensor. It holds on to the tensor: do not write to its elements afterwards.
 * @throws TypeError, RangeError for a tensor that contradicts itself or elements outside a 4- or 2-bit type
 */
export function makeInitializer(name: string, t: Tensor): Initializer {
  if (typeof name !== 'string' || name === '') throw new TypeError(`initializer: expected a name, got ${String(name)}`);
  checkTensor(name, t);
  return { name, dataType: DATA_TYPES[t.dtype], dims: [...t.dims], tensor: () => t };
}

function checkTensor(name: string, t: Tensor): void {
  const Ctor = Object.hasOwn(DATA_TYPES, t?.dtype) ? arrayOf(t.dtype) : undefined;
  if (!Ctor) throw new TypeError(`initializer '${name}': unknown type ${String(t?.dtype)}`);
  if (!(t.data instanceof Ctor))
    throw new TypeError(`initializer '${name}': ${t.dtype} needs ${Ctor.name}, got ${t.data?.constructor?.name}`);
  let size = 1;
  for (const d of t.dims) {
    if (!Number.isSafeInteger(d) || d < 0) throw new RangeError(`initializer '${name}': dimension ${d} in [${t.dims}]`);
    size *= d;
  }
  if (t.data.length !== size)
    throw new RangeError(`initializer '${name}': [${t.dims}] has ${size} elements, got ${t.data.length}`);
  const bits = bitsOf(t.dtype);
  if (bits >= 8) return;
  const low = t.dtype.startsWith('int') ? -(1 << (bits - 1)) : 0;
  for (const v of t.data as Int8Array)
    if (v < low || v >= low + (1 << bits))
      throw new RangeError(
        `initializer '${name}': ${v} is outside ${t.dtype}, expected ${low}..${low + (1 << bits) - 1}`,
      );
}

/** The header of a TensorProto (everything but `raw_data`), encoded. */
export function tensorHeader(name: string, t: Tensor): Uint8Array {
  const head: { dims: number[]; dataType: number; name?: string } = {
    dims: [...t.dims],
    dataType: DATA_TYPES[t.dtype],
  };
  if (name) head.name = name;
  return encoded(proto.onnx.TensorProto, head);
}

/**
 * Reads a lone TensorProto, as the `.pb` files of ONNX test data hold it.
 * @param label what errors call it
 * @throws ModelError for damaged bytes, UnsupportedError for a type Kappa has none of
 */
export function readTensorProto(bytes: Uint8Array, label = 'tensor'): { name: string; tensor: Tensor } {
  const found = readTensor(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), label);
  return { name: found.name, tensor: found.tensor() };
}
