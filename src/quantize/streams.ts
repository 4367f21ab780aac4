import { planesOf, toInt8 } from '../grid/index.ts';
import { DATA_TYPES, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';
import { joined, signedPlanes } from './codes.ts';
import { concatenated } from './joined.ts';

/** Some codes of one width. */
export interface Piece {
  readonly bits: number;
  readonly codes: Uint8Array;
}

/** All codes of a width, and the value they are in once decoded. */
interface Stream {
  readonly bits: number;
  readonly parts: readonly Piece[];
  readonly codes: Uint8Array;
}

interface Decoded {
  readonly value: string;
  /** Whether it is of float or int32, and still to be cast. */
  readonly wide: boolean;
}

/**
 * Codes by width, to be decoded together: those of a width one after the other, padded to a multiple of 8.
 *
 * Signed ones by tables (codes.ts). Others, from opset 11 on, by shifts of bytes, which takes no table: of all planes of p bits one
 * value is made, field t of byte i its element t * bytes + i, and cut by width; from opset 18 planes are joined by BitwiseOr, before it
 * added as int32.
 */
export class Streams {
  readonly #byWidth = new Map<number, Piece[]>();
  readonly #names = new Map<Piece, string>();

  /** @param signed whether values are code - 2^(bits-1) as int8; else they are the codes as uint8 */
  constructor(
    private readonly wasm: Wasm,
    private readonly b: Builder,
    private readonly signed: boolean,
  ) {}

  add(bits: number, codes: Uint8Array): Piece {
    const part = { bits, codes };
    this.#byWidth.set(bits, [...(this.#byWidth.get(bits) ?? []), part]);
    return part;
  }

  /** The flat value of a part, once all are written. */
  value(part: Piece): string {
    return this.#names.get(part)!;
  }

  write(): void {
    const { wasm, b, signed } = this;
    const dtype = signed ? 'int8' : 'uint8';
    const streams = [...this.#byWidth]
      .map(([bits, parts]): Stream => ({ bits, parts, codes: concatenated(parts.map((p) => p.codes)) }))
      .sort((x, y) => x.bits - y.bits);
    const packed = streams.filter((s) => s.bits < 8);
    const decoded = packed.length === 0 ? [] : signed ? byTables(wasm, b, packed) : byShifts(b, packed);
    const order: Stream[] = [];
    const values: string[] = [];
    for (const [i, stream] of streams.entries()) {
      const { value, wide } = decoded[i] ?? { value: '', wide: false };
      if (wide) continue;
      order.push(stream);
      const raw = () => (signed ? toInt8(wasm, stream.codes, 8) : stream.codes);
      values.push(value || b.initializer('', tensor(dtype, [stream.codes.length], raw())));
    }
    const wide = decoded.filter((d) => d.wide).map((d) => d.value);
    if (wide.length > 0) {
      order.push(...packed.filter((_, i) => decoded[i]!.wide));
      values.push(b.cast(inARow(b, wide), DATA_TYPES[dtype]));
    }
    const sizes = order.flatMap((s) => [...s.parts.map((p) => p.codes.length), padOf(s)].filter((n) => n > 0));
    const cut = b.split(inARow(b, values), sizes);
    for (const stream of order) {
      for (const part of stream.parts) this.#names.set(part, cut.shift()!);
      if (padOf(stream) > 0) cut.shift();
    }
  }
}

/** Codes that follow on a stream's own: its planes end on a byte. */
function padOf({ bits, codes }: Stream): number {
  return bits === 8 ? 0 : (8 - (codes.length % 8)) % 8;
}

function byTables(wasm: Wasm, b: Builder, streams: readonly Stream[]): Decoded[] {
  const planes = streams.map(({ codes, bits }) => signedPlanes(wasm, codes, bits));
  const bytes = concatenated(planes.flat());
  const stored = b.cast(b.initializer('', tensor('uint8', [bytes.length], bytes)), DATA_TYPES.int32);
  const cut = b.split(
    stored,
    planes.flat().map((p) => p.length),
  );
  return streams.map(({ bits }, i) => {
    const { value, float } = joined(b, bits, undefined, cut.splice(0, planes[i]!.length));
    return { value, wide: float };
  });
}

/** Planes of p bits, of one stream after the other. */
interface Planes {
  readonly p: number;
  readonly of: { readonly stream: Stream; readonly shift: number }[];
}

function byShifts(b: Builder, streams: readonly Stream[]): Decoded[] {
  const kinds = new Map<number, Planes>();
  for (const stream of streams)
    for (const { p, shift } of planesOf(stream.bits)) {
      const kind = kinds.get(p) ?? { p, of: [] };
      kinds.set(p, kind);
      kind.of.push({ stream, shift });
    }
  const single = (s: Stream) => planesOf(s.bits).length === 1;
  const adding = b.opset < 18;
  const bytes = [...kinds.values()].map(fieldsInBytes);
  const whole = concatenated(bytes);
  const cut = b.split(
    b.initializer('', tensor('uint8', [whole.length], whole)),
    bytes.map((plane) => plane.length),
  );
  const planes = new Map<Stream, string[]>();
  for (const { p, of } of kinds.values()) {
    const left = Uint8Array.from({ length: 8 / p }, (_, t) => 8 - p * (t + 1));
    const high = shifted(b, cut.shift()!, 'LEFT', [left.length, 1], left);
    const fields = b.reshape(shifted(b, high, 'RIGHT', [], Uint8Array.of(8 - p)), [-1]);
    const whole32 = adding && !of.some(({ stream }) => single(stream));
    const sizes = of.map(({ stream }) => stream.codes.length + padOf(stream));
    b.split(whole32 ? b.cast(fields, DATA_TYPES.int32) : fields, sizes).forEach((part, i) => {
      const { stream, shift } = of[i]!;
      let value = adding && !whole32 && !single(stream) ? b.cast(part, DATA_TYPES.int32) : part;
      if (shift > 0)
        value = adding
          ? b.node('Mul', [value, int32(b, 2 ** shift)])
          : shifted(b, value, 'LEFT', [], Uint8Array.of(shift));
      planes.set(stream, [...(planes.get(stream) ?? []), value]);
    });
  }
  return streams.map((stream) => ({
    value: planes.get(stream)!.reduce((x, y) => b.node(adding ? 'Add' : 'BitwiseOr', [x, y])),
    wide: adding && !single(stream),
  }));
}

function int32(b: Builder, value: number): string {
  return b.shared(`int32 ${value}`, () => b.initializer('', tensor('int32', [], Int32Array.of(value))));
}

function shifted(
  b: Builder,
  value: string,
  direction: 'LEFT' | 'RIGHT',
  dims: readonly number[],
  by: Uint8Array<ArrayBuffer>,
): string {
  const amount = b.shared(`uint8 [${dims}] ${by}`, () => b.initializer('', tensor('uint8', dims, by)));
  return b.node('BitShift', [value, amount], { direction: { type: 'string', value: direction } });
}

/** Bytes whose fields are those planes: field t of byte i is that of code t * bytes + i of all streams. */
function fieldsInBytes({ p, of }: Planes): Uint8Array<ArrayBuffer> {
  const mask = 2 ** p - 1;
  const total = of.reduce((n, { stream }) => n + stream.codes.length + padOf(stream), 0);
  const bytes = new Uint8Array((total * p) / 8);
  let [t, i] = [0, 0];
  for (const { stream, shift } of of) {
    const size = stream.codes.length + padOf(stream);
    for (let j = 0; j < size; j++) {
      bytes[i]! |= (((stream.codes[j] ?? 0) >> shift) & mask) << (p * t);
      if (++i < bytes.length) continue;
      i = 0;
      t++;
    }
  }
  return bytes;
}

/** The only value, or all along the first axis. */
export function inARow(b: Builder, values: readonly string[]): string {
  return values.length === 1 ? values[0]! : b.node('Concat', values, { axis: { type: 'int', value: 0 } });
}
