import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { KappaError } from '../../src/errors.ts';
import { ROOT } from '../helpers.ts';

/** Protocol buffer fields written by hand, so that models can be built that no encoder would write. */
export function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  for (;;) {
    const low = Number(rest & 127n);
    rest >>= 7n;
    out.push(rest ? low | 128 : low);
    if (!rest) return Uint8Array.from(out);
  }
}

export function join8(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const int = (field: number, value: number | bigint) => join8(varint(field * 8), varint(value));
export const len = (field: number, content: Uint8Array | string) => {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return join8(varint(field * 8 + 2), varint(bytes.length), bytes);
};
export const fixed32 = (field: number, value: number) =>
  join8(varint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer));
export const fixed64 = (field: number, value: number) =>
  join8(varint(field * 8 + 1), new Uint8Array(Float64Array.of(value).buffer));

export const opset = (version: number, domain?: string) =>
  len(8, join8(...(domain === undefined ? [] : [len(1, domain)]), int(2, version)));
export const dim = (d: number | string | null) =>
  len(1, d === null ? '' : typeof d === 'number' ? int(1, d) : len(2, d));
export const valueInfo = (name: string, elemType = 1, dims: (number | string | null)[] = ['N', 2]) =>
  join8(len(1, name), len(2, len(1, join8(int(1, elemType), len(2, join8(...dims.map(dim)))))));
export const node = (opType: string, inputs: string[], outputs: string[], ...more: Uint8Array[]) =>
  join8(...inputs.map((i) => len(1, i)), ...outputs.map((o) => len(2, o)), len(4, opType), ...more);
export const attribute = (name: string, type: number, ...value: Uint8Array[]) =>
  len(5, join8(len(1, name), ...value, int(20, type)));
export const tensorProto = (name: string, dataType: number, dims: (number | bigint)[], ...more: Uint8Array[]) =>
  join8(...dims.map((d) => int(1, d)), int(2, dataType), len(8, name), ...more);

/** A graph y = Relu(x), with more fields behind. */
export const graph = (...more: Uint8Array[]) =>
  join8(len(1, node('Relu', ['x'], ['y'])), len(2, 'g'), len(11, valueInfo('x')), len(12, valueInfo('y')), ...more);
/** A model of that graph. */
export const model = (g: Uint8Array = graph(), ...more: Uint8Array[]) =>
  join8(int(1, 8), len(2, 'test'), len(7, g), opset(17), ...more);

/** Asserts that `body` throws a KappaError of that class whose message is one line and matches. */
export function throwsKappa(body: () => unknown, type: new (m: string) => KappaError, pattern: RegExp): void {
  try {
    body();
  } catch (error) {
    assert.instance(error, type);
    assert.match((error as Error).message, pattern);
    assert.not.match((error as Error).message, /[\n\r]/);
    return;
  }
  assert.unreachable(`expected ${type.name} ${pattern}`);
}

/** Runs `body`; anything it throws must be a KappaError. True where it threw none. */
export function survives(body: () => unknown): boolean {
  try {
    body();
    return true;
  } catch (error) {
    if (!(error instanceof KappaError)) throw error;
    assert.not.match(error.message, /[\n\r]/);
    assert.ok(error.message.length < 2000, `a message of ${error.message.length} characters`);
    return false;
  }
}

/** The models of this project, small ones first. */
export function projectModels(): string[] {
  const folder = join(ROOT, 'models');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => join(folder, name));
}

/** Folders of ONNX's node tests beside the project, empty where they are not there. */
export function nodeTests(): string[] {
  const folder = join(ROOT, '..', 'shared', 'onnx-node-tests');
  if (!existsSync(folder)) {
    console.log(`    (skipped: no onnx-node-tests beside the project)`);
    return [];
  }
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'model.onnx')))
    .map((name) => join(folder, name));
}

export const read = (file: string) => new Uint8Array(readFileSync(file));
