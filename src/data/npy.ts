/**
 * NumPy's .npy format, versions 1.0 to 3.0 (NumPy Enhancement Proposal 1; numpy.lib.format): a magic, a header that is a
 * Python dictionary of exactly 'descr', 'fortran_order' and 'shape', and the elements.
 */
import { DataError, UnsupportedError } from '../errors.ts';
import { show } from '../onnx/show.ts';
import type { DType, Tensor, TypedArray } from '../tensor.ts';
import { arrayOf, sizeOf } from '../tensor.ts';

const MAGIC = '\x93NUMPY';
/** Headers are some 100 bytes; numpy itself refuses more than 10,000. */
const MAX_HEADER = 10_000;
/** As numpy.ndarray. */
const MAX_RANK = 64;

const DESCRS: Readonly<Partial<Record<DType, string>>> = {
  float: '<f4',
  double: '<f8',
  float16: '<f2',
  uint8: '|u1',
  int8: '|i1',
  uint16: '<u2',
  int16: '<i2',
  uint32: '<u4',
  int32: '<i4',
  uint64: '<u8',
  int64: '<i8',
  bool: '|b1',
};
const DTYPES = new Map(Object.entries(DESCRS).map(([dtype, descr]) => [descr, dtype as DType]));

/**
 * Reads an .npy file. The tensor is a view of `bytes` where alignment and order allow one.
 * @param label what errors call it
 * @throws DataError for anything but a whole .npy file of one of the types above
 */
export function readNpy(bytes: Uint8Array, label = 'array'): Tensor {
  const { descr, fortran, dims, start } = readHeader(bytes, label);
  const dtype = dtypeOfDescr(descr, label);
  let size = 1;
  for (const d of dims) {
    size *= d;
    if (!Number.isSafeInteger(size)) throw new DataError(`${label}: shape (${dims}) has more elements than can exist`);
  }
  const Ctor = arrayOf(dtype);
  const want = size * Ctor.BYTES_PER_ELEMENT;
  const found = bytes.length - start;
  if (found !== want)
    throw new DataError(
      `${label}: ${dtype} (${dims}) needs ${want} bytes of elements, found ${found}: truncated or damaged`,
    );
  const aligned = (bytes.byteOffset + start) % Ctor.BYTES_PER_ELEMENT === 0;
  const body = aligned ? bytes.subarray(start) : new Uint8Array(bytes.subarray(start));
  const data = new Ctor(body.buffer as ArrayBuffer, body.byteOffset, size);
  if (dtype === 'bool' && body.some((b) => b > 1)) throw new DataError(`${label}: a bool that is neither 0 nor 1`);
  return { dtype, dims, data: fortran && dims.length > 1 ? fromFortran(data, dims) : data };
}

function dtypeOfDescr(descr: string, label: string): DType {
  const one = /^[<|=>]([uib]1)$/.exec(descr);
  const dtype = DTYPES.get(one ? `|${one[1]}` : descr);
  if (dtype) return dtype;
  if (descr.startsWith('>'))
    throw new DataError(`${label}: big-endian elements (${show(descr)}); save it with .astype('<...')`);
  if (descr.endsWith('O')) throw new DataError(`${label}: holds Python objects, expected numbers`);
  throw new DataError(`${label}: elements of type ${show(descr)}, expected one of ${[...DTYPES.keys()].join(' ')}`);
}

interface Header {
  descr: string;
  fortran: boolean;
  dims: number[];
  start: number;
}

function readHeader(bytes: Uint8Array, label: string): Header {
  for (let i = 0; i < MAGIC.length; i++)
    if (bytes[i] !== MAGIC.charCodeAt(i)) throw new DataError(`${label}: not an .npy array (no NUMPY magic)`);
  const major = bytes[6];
  const minor = bytes[7];
  if (major === undefined || minor === undefined) throw new DataError(`${label}: the .npy header is cut off`);
  if (major < 1 || major > 3 || minor !== 0)
    throw new DataError(`${label}: .npy format ${major}.${minor}, expected 1.0, 2.0 or 3.0`);
  const width = major === 1 ? 2 : 4;
  let length = 0;
  for (let i = 0; i < width; i++) length += (bytes[8 + i] ?? 0) * 2 ** (8 * i);
  const start = 8 + width + length;
  if (length > MAX_HEADER)
    throw new DataError(`${label}: an .npy header of ${length} bytes, expected ${MAX_HEADER} at most`);
  if (start > bytes.length) throw new DataError(`${label}: the .npy header is cut off`);
  const text = new TextDecoder(major === 3 ? 'utf-8' : 'latin1').decode(bytes.subarray(8 + width, start));
  return { ...parseHeader(text, label), start };
}

/** The header dictionary: the three keys once each, in any order, and nothing else. */
function parseHeader(text: string, label: string): Omit<Header, 'start'> {
  let at = 0;
  const fail = (expected: string): DataError =>
    new DataError(`${label}: .npy header: expected ${expected}, found ${show(text.slice(at, at + 16))}`);
  const space = () => {
    while (at < text.length && ' \t\r\n'.includes(text[at]!)) at++;
  };
  const accept = (token: string): boolean => {
    space();
    if (!text.startsWith(token, at)) return false;
    at += token.length;
    return true;
  };
  const expect = (token: string) => {
    if (!accept(token)) throw fail(`'${token}'`);
  };
  const string = (): string => {
    space();
    const quote = text[at];
    if (quote === '[') throw new DataError(`${label}: a structured array, expected one array of numbers`);
    if (quote !== "'" && quote !== '"') throw fail('a string');
    const end = text.indexOf(quote, at + 1);
    if (end < 0 || end - at > 64 || text.slice(at, end).includes('\\')) throw fail('a short string');
    const value = text.slice(at + 1, end);
    at = end + 1;
    return value;
  };
  const integer = (): number => {
    space();
    const digits = /^\d{1,16}/.exec(text.slice(at, at + 17))?.[0];
    if (digits === undefined || !Number.isSafeInteger(Number(digits))) throw fail('a dimension');
    at += digits.length;
    accept('L'); // written by Python 2
    return Number(digits);
  };
  const shape = (): number[] => {
    expect('(');
    const dims: number[] = [];
    let comma = true;
    while (!accept(')')) {
      if (!comma) throw fail("',' or ')'");
      if (dims.length === MAX_RANK) throw new DataError(`${label}: more than ${MAX_RANK} dimensions`);
      dims.push(integer());
      comma = accept(',');
    }
    if (dims.length === 1 && !comma) throw fail("',' after a lone dimension");
    return dims;
  };

  let descr: string | undefined;
  let fortran: boolean | undefined;
  let dims: number[] | undefined;
  expect('{');
  for (let comma = true; !accept('}'); comma = accept(',')) {
    if (!comma) throw fail("',' or '}'");
    const key = string();
    expect(':');
    if (key === 'descr' && descr === undefined) descr = string();
    else if (key === 'fortran_order' && fortran === undefined) {
      fortran = accept('True');
      if (!fortran) expect('False');
    } else if (key === 'shape' && dims === undefined) dims = shape();
    else throw new DataError(`${label}: .npy header: key ${show(key)} is unknown or there twice`);
  }
  space();
  if (at !== text.length) throw fail('the end');
  if (descr === undefined || fortran === undefined || dims === undefined)
    throw new DataError(`${label}: .npy header lacks one of descr, fortran_order, shape`);
  return { descr, fortran, dims };
}

/** Column-major elements (first index fastest) in row-major order. */
function fromFortran(data: TypedArray, dims: readonly number[]): TypedArray {
  const out = new (data.constructor as new (n: number) => Float32Array)(data.length);
  const source = data as Float32Array;
  const strides: number[] = [];
  let stride = 1;
  for (const d of dims) {
    strides.push(stride);
    stride *= d;
  }
  const index = new Array<number>(dims.length).fill(0);
  let from = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = source[from]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < dims[axis]!) break;
      from -= strides[axis]! * dims[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/**
 * An .npy file, format 1.0, C order, elements aligned to 64 bytes.
 * @throws UnsupportedError for a type NumPy has none of (int4, uint4, int2, uint2)
 */
export function writeNpy(t: Tensor): Uint8Array {
  const descr = DESCRS[t.dtype];
  if (!descr) throw new UnsupportedError(`NumPy has no type for ${t.dtype}`);
  if (t.data.length !== sizeOf(t.dims))
    throw new RangeError(`[${t.dims}] has ${sizeOf(t.dims)} elements, got ${t.data.length}`);
  const shape = t.dims.length === 1 ? `(${t.dims[0]},)` : `(${t.dims.join(', ')})`;
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  const start = Math.ceil((10 + dict.length + 1) / 64) * 64;
  const header = `${dict.padEnd(start - 11)}\n`;
  const out = new Uint8Array(start + t.data.byteLength);
  const prefix = `${MAGIC}\x01\x00${String.fromCharCode(header.length & 255, header.length >> 8)}${header}`;
  for (let i = 0; i < prefix.length; i++) out[i] = prefix.charCodeAt(i);
  out.set(new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength), start);
  return out;
}
