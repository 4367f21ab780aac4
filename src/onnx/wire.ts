/**
 * Bounded scan of one protocol buffer message: finds where each field lies, checks wire types and lengths against the
 * schema, and copies nothing it does not have to. What passes here can be handed to onnx-proto's decoders, which check
 * neither wire types nor the ends of nested messages.
 */
import protobuf from 'protobufjs/minimal.js';
import { ModelError } from '../errors.ts';
import type { Kind, Schema } from './schema.ts';

/** Messages nest at most this deep: types inside types, graphs inside nodes. */
export const MAX_DEPTH = 64;

const WIRE_NAMES = ['varint', '64-bit', 'length-delimited', 'group start', 'group end', '32-bit', 'type 6', 'type 7'];

/** Fields of a message, apart by what the caller asked for. */
export interface Parts {
  /** The fields to decode, tags included, as one message. */
  readonly head: Uint8Array;
  /** All fields neither in `head` nor taken, tags included, in their order. */
  readonly rest: Uint8Array;
  /** Contents of a field that was taken, in their order, without tags and lengths. */
  taken(field: number): Uint8Array[];
  /** The contents of a repeated number that was taken, packed or not, one after the other. */
  joined(field: number): Uint8Array;
  /** The one content of a taken field, undefined where it is absent. @throws ModelError where there are several */
  single(field: number): Uint8Array | undefined;
}

const NONE = new Uint8Array(0);

/**
 * Splits a message into its fields.
 * @param take fields wanted as spans
 * @param head fields wanted for decoding
 * @param where what errors call this message
 * @throws ModelError for a field of the wrong wire type, a length beyond the message's end, a damaged varint
 */
export function split(
  bytes: Uint8Array,
  schema: Schema,
  where: string,
  take: readonly number[],
  head: readonly number[],
): Parts {
  const reader = new protobuf.Reader(bytes);
  const spans = new Map<number, number[]>(take.map((field) => [field, []]));
  const headSpans: number[] = [];
  const restSpans: number[] = [];
  while (reader.pos < bytes.length) {
    const start = reader.pos;
    const field = scanField(reader, schema, where, 0);
    const into = spans.get(field.number);
    if (into) into.push(field.body, reader.pos);
    else extend(head.includes(field.number) ? headSpans : restSpans, start, reader.pos);
  }
  return {
    head: join(bytes, headSpans),
    rest: join(bytes, restSpans),
    taken(field) {
      const list = spans.get(field) ?? [];
      const out: Uint8Array[] = [];
      for (let i = 0; i < list.length; i += 2) out.push(bytes.subarray(list[i], list[i + 1]));
      return out;
    },
    joined: (field) => join(bytes, spans.get(field) ?? []),
    single(field) {
      const list = spans.get(field) ?? [];
      if (list.length > 2)
        throw new ModelError(`${where}: ${schema.fields[field]?.[0]} appears ${list.length / 2} times, expected once`);
      return list.length ? bytes.subarray(list[0], list[1]) : undefined;
    },
  };
}

/** Adds a span to a list of [start, end, start, end...], lengthening the last one where they touch. */
function extend(spans: number[], start: number, end: number): void {
  if (spans.length && spans[spans.length - 1] === start) spans[spans.length - 1] = end;
  else spans.push(start, end);
}

/** The spans' bytes: a view where there is one span, a copy where there are several. */
function join(bytes: Uint8Array, spans: readonly number[]): Uint8Array {
  if (spans.length === 0) return NONE;
  if (spans.length === 2) return bytes.subarray(spans[0], spans[1]);
  let length = 0;
  for (let i = 0; i < spans.length; i += 2) length += spans[i + 1]! - spans[i]!;
  const out = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < spans.length; i += 2) {
    out.set(bytes.subarray(spans[i], spans[i + 1]), at);
    at += spans[i + 1]! - spans[i]!;
  }
  return out;
}

/** Reads one field and leaves the reader behind it. `body` is where its content starts. */
function scanField(
  reader: protobuf.Reader,
  schema: Schema,
  where: string,
  depth: number,
): { number: number; body: number } {
  const start = reader.pos;
  const tag = attempt(() => reader.tag(), `${where}: damaged field tag at byte ${start} of ${schema.name}`);
  const number = tag >>> 3;
  const wire = tag & 7;
  const known = Object.hasOwn(schema.fields, number) ? schema.fields[number] : undefined;
  const label = known ? known[0] : `field ${number}`;
  if (number === 0 || wire === 3 || wire === 4 || wire > 5)
    throw new ModelError(`${where}: no protocol buffer field at byte ${start} of ${schema.name} (tag ${tag})`);
  if (known && !wireFits(known[1], wire))
    throw new ModelError(
      `${where}: ${schema.name}.${label} has wire type ${WIRE_NAMES[wire]}, expected ${expectedWire(known[1])}`,
    );
  if (wire === 0) {
    const body = reader.pos;
    attempt(() => reader.uint64(), `${where}: ${schema.name}.${label} is cut off or not a varint`);
    return { number, body };
  }
  const length =
    wire === 2
      ? attempt(() => reader.size(), `${where}: ${schema.name}.${label} has a damaged length`)
      : wire === 5
        ? 4
        : 8;
  const left = reader.len - reader.pos;
  if (length > left)
    throw new ModelError(
      `${where}: ${schema.name}.${label} says it is ${length} bytes long but ${left} are left: truncated or damaged`,
    );
  const body = reader.pos;
  if (wire === 2 && known)
    checkContent(reader.buf.subarray(body, body + length), known[1], schema, label, where, depth);
  reader.pos = body + length;
  return { number, body };
}

function checkContent(
  content: Uint8Array,
  kind: Kind,
  schema: Schema,
  label: string,
  where: string,
  depth: number,
): void {
  if (typeof kind === 'object') {
    if (depth >= MAX_DEPTH) throw new ModelError(`${where}: ${schema.name} is nested deeper than ${MAX_DEPTH} levels`);
    const reader = new protobuf.Reader(content);
    while (reader.pos < content.length) scanField(reader, kind, where, depth + 1);
    return;
  }
  const size = kind === 'fixed32s' ? 4 : kind === 'fixed64s' ? 8 : 1;
  const cut = kind === 'varints' && content.length > 0 && content[content.length - 1]! >= 128;
  if (content.length % size !== 0 || cut)
    throw new ModelError(`${where}: ${schema.name}.${label} ends inside a number (${content.length} bytes)`);
}

function wireFits(kind: Kind, wire: number): boolean {
  if (typeof kind === 'object' || kind === 'bytes') return wire === 2;
  if (kind === 'varint') return wire === 0;
  if (kind === 'fixed32') return wire === 5;
  if (kind === 'varints') return wire === 0 || wire === 2;
  return wire === 2 || wire === (kind === 'fixed32s' ? 5 : 1);
}

function expectedWire(kind: Kind): string {
  if (typeof kind === 'object' || kind === 'bytes') return 'length-delimited';
  if (kind.startsWith('varint')) return 'varint';
  return kind.startsWith('fixed32') ? '32-bit' : '64-bit';
}

/**
 * A message as bytes. onnx-proto's own choice of a writer would be one on `Buffer` wherever there is such a global, which not all engines
 * have alike (workerd's wants a length where Node's needs none).
 */
export function encoded<T>(
  type: { encode(message: T, writer: protobuf.Writer): protobuf.Writer },
  message: T,
): Uint8Array {
  return type.encode(message, new protobuf.Writer()).finish();
}

/** Runs a decoder of protobufjs or onnx-proto; whatever it throws becomes a ModelError with that message. */
export function attempt<T>(decode: () => T, message: string): T {
  try {
    return decode();
  } catch (cause) {
    throw new ModelError(message, { cause });
  }
}

/** A 64-bit integer as protobufjs gives it, as the nearest double: 2^63 - 1 becomes 2^63. */
export function toNumber(x: number | { low: number; high: number; unsigned: boolean } | null | undefined): number {
  if (x === null || x === undefined) return 0;
  if (typeof x === 'number') return x;
  return (x.unsigned ? x.high >>> 0 : x.high) * 4294967296 + (x.low >>> 0);
}

/**
 * A name as decoded, checked to have been valid UTF-8: two different damaged names must not become one.
 * @param bytes the message the name came from
 */
export function checkNames(names: readonly string[], bytes: Uint8Array, where: string): void {
  if (!names.some((name) => name.includes('\ufffd'))) return;
  const marker = [0xef, 0xbf, 0xbd];
  let found = 0;
  for (let i = 0; i + 2 < bytes.length; i++) if (marker.every((b, j) => bytes[i + j] === b)) found++;
  let expected = 0;
  for (const name of names) expected += name.split('\ufffd').length - 1;
  if (found < expected) throw new ModelError(`${where}: a name is not valid UTF-8`);
}
