/** Section and import kinds of the binary format (WebAssembly specification, 5.5.5). */
const IMPORT_SECTION = 2;
const FUNCTION = 0;
const TABLE = 1;
const MEMORY = 2;
const GLOBAL = 3;
/** Limits: minimum and maximum, shared. */
const SHARED = 3;
/** Bytes before the first section: magic and version. */
const PREAMBLE = 8;

/**
 * The module in `bytes`, its imported memory declared shared with at most `maxPages` pages. The code is left as it is, so threads
 * compute what one thread computes, to the bit.
 * @throws WebAssembly.CompileError when bytes are no module, or one that imports no memory
 */
export function withSharedMemory(bytes: Uint8Array, maxPages: number): Uint8Array<ArrayBuffer> {
  const module = new Cursor(bytes, PREAMBLE);
  while (module.at < bytes.length) {
    const before = module.at;
    const id = module.byte();
    const size = module.number();
    const start = module.at;
    if (id === IMPORT_SECTION) {
      const limits = memoryLimits(new Cursor(bytes, start));
      const section = join(
        bytes.subarray(start, limits.start),
        [SHARED, ...leb(limits.minimum), ...leb(maxPages)],
        bytes.subarray(limits.end, start + size),
      );
      const header = [IMPORT_SECTION, ...leb(section.length)];
      return join(bytes.subarray(0, before), header, section, bytes.subarray(start + size));
    }
    module.skip(size);
  }
  throw new WebAssembly.CompileError('expected kernels.wasm, found a module that imports no memory');
}

function memoryLimits(c: Cursor): { start: number; end: number; minimum: number } {
  for (let left = c.number(); left > 0 && c.at < c.bytes.length; left--) {
    c.skip(c.number()); // module
    c.skip(c.number()); // name
    const kind = c.byte();
    if (kind === FUNCTION) c.number();
    else if (kind === GLOBAL) c.skip(2);
    else if (kind === TABLE || kind === MEMORY) {
      if (kind === TABLE) c.byte();
      const start = c.at;
      const flags = c.byte();
      const minimum = c.number();
      if (flags & 1) c.number();
      if (kind === MEMORY) return { start, end: c.at, minimum };
    } else break;
  }
  throw new WebAssembly.CompileError('expected kernels.wasm, found a module that imports no memory');
}

/** Reads forward; past the end there are zeros, which no valid module needs. */
class Cursor {
  constructor(
    readonly bytes: Uint8Array,
    public at: number,
  ) {}

  byte(): number {
    return this.bytes[this.at++] ?? 0;
  }

  skip(bytes: number): void {
    this.at += bytes;
  }

  /** Unsigned LEB128 of up to 32 bits. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    return value;
  }
}

function leb(value: number): number[] {
  const out: number[] = [];
  let left = value;
  for (; left > 127; left = Math.floor(left / 128)) out.push((left % 128) | 128);
  out.push(left);
  return out;
}

function join(...pieces: readonly ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
