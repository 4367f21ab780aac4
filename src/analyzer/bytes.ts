import { DataError } from '../errors.ts';

const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Numbers and texts one after the other, little-endian; what is longer than one number is preceded by its number of bytes. */
export class ByteWriter {
  private readonly parts: Uint8Array[] = [];
  length = 0;

  u32(value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.put(bytes);
  }

  text(value: string): void {
    this.sized(new TextEncoder().encode(value));
  }

  json(value: unknown): void {
    this.text(JSON.stringify(value));
  }

  f32(values: Float32Array): void {
    this.raw(values);
  }

  f64(values: Float64Array): void {
    this.raw(values);
  }

  raw(values: Float32Array | Float64Array | Uint8Array | Uint16Array): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.sized(LITTLE ? bytes : swapped(bytes, values.BYTES_PER_ELEMENT));
  }

  append(other: ByteWriter): void {
    for (const part of other.parts) this.put(part);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  private sized(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.put(bytes);
  }

  private put(bytes: Uint8Array): void {
    this.parts.push(bytes);
    this.length += bytes.length;
  }
}

/** Reads what `ByteWriter` wrote. Every method throws a DataError where the bytes end early or hold another number of elements. */
export class ByteReader {
  private at = 0;

  /** @param what errors call it */
  constructor(
    private readonly bytes: Uint8Array,
    private readonly what: string,
  ) {}

  u32(): number {
    const part = this.take(4);
    return new DataView(part.buffer, part.byteOffset, 4).getUint32(0, true);
  }

  text(): string {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(this.take(this.u32()));
    } catch (cause) {
      if (cause instanceof DataError) throw cause;
      throw new DataError(`${this.what}: expected UTF-8 text`, { cause });
    }
  }

  json(): unknown {
    const text = this.text();
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new DataError(`${this.what}: expected JSON`, { cause });
    }
  }

  f32(count: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.elements(count, 4));
  }

  f64(count: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.elements(count, 8));
  }

  u16(count: number): Uint16Array<ArrayBuffer> {
    return new Uint16Array(this.elements(count, 2));
  }

  u8(count: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.elements(count, 1));
  }

  /** @throws DataError where more bytes follow */
  end(): void {
    if (this.at !== this.bytes.length)
      throw new DataError(`${this.what}: expected the end, found ${this.bytes.length - this.at} more bytes`);
  }

  /** A copy, where its alignment is right. */
  private elements(count: number, each: number): ArrayBuffer {
    const size = this.u32();
    if (size !== count * each)
      throw new DataError(`${this.what}: expected ${count} elements of ${each} bytes, found ${size} bytes`);
    const bytes = this.take(size);
    return (LITTLE ? bytes.slice() : swapped(bytes, each)).buffer as ArrayBuffer;
  }

  private take(size: number): Uint8Array {
    if (size > this.bytes.length - this.at)
      throw new DataError(`${this.what}: expected ${size} more bytes, found ${this.bytes.length - this.at}`);
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }
}

function swapped(bytes: Uint8Array, each: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i += each) for (let j = 0; j < each; j++) out[i + j] = bytes[i + each - 1 - j]!;
  return out;
}
