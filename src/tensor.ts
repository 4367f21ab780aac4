/**
 * A tensor: element type, shape and elements in row-major order. Types are spelled as ONNX spells them in `tensor(...)`
 * (ONNX IR specification, "Tensor Element Types"); the numbers are those of TensorProto.DataType.
 */
export const DATA_TYPES = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
  uint4: 21,
  int4: 22,
  uint2: 25,
  int2: 26,
} as const;

/** Element types, spelled as ONNX spells them. */
export type DType = keyof typeof DATA_TYPES;

/** Arrays that hold elements of tensors. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigInt64Array
  | BigUint64Array;

/**
 * Elements of `data` by type: float16 and bfloat16 as their bits in a Uint16Array; bool as 0/1 in a Uint8Array; int4, int2 in an
 * Int8Array and uint4, uint2 in a Uint8Array, one element each. `data.length` is the product of `dims` (1 for a scalar).
 * The executor's own tensors live in wasm memory and make `data` anew when that memory has grown: do not keep it across
 * calls into the executor.
 */
export interface Tensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: TypedArray;
}

const CONSTRUCTORS = {
  float: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  float16: Uint16Array,
  double: Float64Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bfloat16: Uint16Array,
  uint4: Uint8Array,
  int4: Int8Array,
  uint2: Uint8Array,
  int2: Int8Array,
} as const;

/** The typed array that holds elements of `dtype`. */
export function arrayOf(dtype: DType): (typeof CONSTRUCTORS)[DType] {
  return CONSTRUCTORS[dtype];
}

const NAMES = new Map<number, DType>(Object.entries(DATA_TYPES).map(([name, n]) => [n, name as DType]));

/** The type with that number in TensorProto.DataType, or undefined where Kappa has none. */
export function dtypeOf(dataType: number): DType | undefined {
  return NAMES.get(dataType);
}

/** Bits of one element as stored in an ONNX file. */
export function bitsOf(dtype: DType): number {
  if (dtype === 'int4' || dtype === 'uint4') return 4;
  if (dtype === 'int2' || dtype === 'uint2') return 2;
  return CONSTRUCTORS[dtype].BYTES_PER_ELEMENT * 8;
}

/** Number of elements of a shape: the product of its dimensions, 1 for a scalar. */
export function sizeOf(dims: readonly number[]): number {
  let n = 1;
  for (const d of dims) n *= d;
  return n;
}

/**
 * A tensor over `data`, checked.
 * @throws TypeError when `data` is not the array that holds `dtype`
 * @throws RangeError when its length is not the product of `dims`
 */
export function tensor(dtype: DType, dims: readonly number[], data: TypedArray): Tensor {
  const want = CONSTRUCTORS[dtype];
  if (!(data instanceof want))
    throw new TypeError(`${dtype} tensor: expected ${want.name}, got ${data?.constructor?.name}`);
  if (data.length !== sizeOf(dims))
    throw new RangeError(`${dtype} tensor [${dims}]: expected ${sizeOf(dims)} elements, got ${data.length}`);
  return { dtype, dims, data };
}

/** A tensor of zeros. */
export function zeros(dtype: DType, dims: readonly number[]): Tensor {
  return { dtype, dims, data: new CONSTRUCTORS[dtype](sizeOf(dims)) };
}
