import { ModelError, UnsupportedError } from '../errors.ts';
import type { Attribute } from '../onnx/model.ts';
import type { Tensor } from '../tensor.ts';
import type { NodeSpec, Op, OpVersion } from './op.ts';

/** Readers of a node's attributes. Each throws ModelError when the attribute is there with another type. */

function read<T extends Attribute['type']>(node: NodeSpec, name: string, type: T) {
  const a = node.attributes.get(name);
  if (a === undefined) return undefined;
  if (a.type !== type) throw new ModelError(`attribute "${name}": expected ${type}, found ${a.type}`);
  return a as Extract<Attribute, { type: T }>;
}

function missing(name: string): never {
  throw new ModelError(`attribute "${name}" is missing`);
}

export function has(node: NodeSpec, name: string): boolean {
  return node.attributes.has(name);
}

/** An int attribute; without `fallback` it must be there. */
export function int(node: NodeSpec, name: string, fallback?: number): number {
  const v = read(node, name, 'int')?.value ?? fallback ?? missing(name);
  if (!Number.isSafeInteger(v)) throw new ModelError(`attribute "${name}": expected an integer, found ${v}`);
  return v;
}

/** A 0/1 attribute. */
export function flag(node: NodeSpec, name: string, fallback = false): boolean {
  return int(node, name, fallback ? 1 : 0) !== 0;
}

export function float(node: NodeSpec, name: string, fallback?: number): number {
  return read(node, name, 'float')?.value ?? fallback ?? missing(name);
}

export function string(node: NodeSpec, name: string, fallback?: string): string {
  return read(node, name, 'string')?.value ?? fallback ?? missing(name);
}

/** A string attribute with a closed set of values. @throws UnsupportedError for any other */
export function choice<T extends string>(node: NodeSpec, name: string, values: readonly T[], fallback: T): T {
  const v = string(node, name, fallback) as T;
  if (!values.includes(v))
    throw new UnsupportedError(`attribute "${name}": expected one of ${values.join(', ')}, found "${v}"`);
  return v;
}

export function ints(node: NodeSpec, name: string): readonly number[] | undefined {
  const v = read(node, name, 'ints')?.value;
  if (v?.some((x) => !Number.isSafeInteger(x)))
    throw new ModelError(`attribute "${name}": expected integers, found ${v}`);
  return v;
}

/** The same for bounds: those beyond what a number holds exactly stand for the end. */
export function bounds(node: NodeSpec, name: string): readonly number[] {
  const v = read(node, name, 'ints')?.value ?? [];
  if (!v.every(Number.isInteger)) throw new ModelError(`attribute "${name}": expected integers, found ${v}`);
  return v;
}

export function floats(node: NodeSpec, name: string): readonly number[] | undefined {
  return read(node, name, 'floats')?.value;
}

export function tensorAttribute(node: NodeSpec, name: string): Tensor | undefined {
  return read(node, name, 'tensor')?.value;
}

/** An operator with one version. */
export function since(version: number, build: OpVersion['build']): Op {
  return [{ since: version, build }];
}
