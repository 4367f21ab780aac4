/**
 * Builds of the kernels, one file each: `plain` is the same to the bit on every machine, `relaxed` multiplies and adds with one
 * rounding where the machine can (relaxed SIMD), which is faster and depends on the machine in the last bits.
 */
export type Build = 'plain' | 'relaxed';

/** The builds of the kernels. */
export const BUILDS: readonly Build[] = ['plain', 'relaxed'];

/** Name of a build's file, beside the doors in dist/ and among the package's exports. */
export function kernelFile(build: Build): string {
  return build === 'relaxed' ? 'kernels-relaxed.wasm' : 'kernels.wasm';
}

/** A module with one function whose body is the bytes given. */
function probe(body: readonly number[]): Uint8Array<ArrayBuffer> {
  const code = [1, body.length + 2, 0, ...body, 0x0b];
  return Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 4, 1, 0x60, 0, 0], // type section: one function type, nothing in, nothing out
    ...[3, 2, 1, 0], // function section: one function of that type
    ...[10, code.length, ...code],
  );
}

/** v128.const of zeros. */
const ZERO = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];

/** Whether this engine runs the kernels at all: WebAssembly with 128-bit SIMD. */
export function supportsSimd(): boolean {
  return validates([...ZERO, 0x1a]);
}

/** Whether this engine runs the relaxed build. */
export function supportsRelaxed(): boolean {
  // f32x4.relaxed_madd: prefix 0xfd, opcode 0x105
  return validates([...ZERO, ...ZERO, ...ZERO, 0xfd, 0x85, 0x02, 0x1a]);
}

/** Whether memory can be shared between threads here: in a browser, only on a page that is cross-origin isolated. */
export function supportsThreads(): boolean {
  const { crossOriginIsolated } = globalThis as { crossOriginIsolated?: boolean };
  return typeof SharedArrayBuffer === 'function' && typeof Atomics === 'object' && crossOriginIsolated !== false;
}

/** The faster of the builds this engine runs. */
export function fastestBuild(): Build {
  return supportsRelaxed() ? 'relaxed' : 'plain';
}

function validates(body: readonly number[]): boolean {
  return typeof WebAssembly === 'object' && WebAssembly.validate(probe(body));
}

/** Whether it is a compiled module, of this realm or another: Next.js runs edge functions in a realm of their own, modules come from outside. */
export function isModule(source: unknown): source is WebAssembly.Module {
  return (
    source instanceof WebAssembly.Module || Object.prototype.toString.call(source) === '[object WebAssembly.Module]'
  );
}
