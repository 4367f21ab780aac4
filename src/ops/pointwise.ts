import type { Tensor } from '../tensor.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { kernelsOf } from './arithmetic.ts';
import type { Runtime } from './op.ts';
import { product, repeats, sameDims } from './shape.ts';

/** Chains of float operators that work element by element, run block by block: what lies between them stays in the cache. */

const UNARY = {
  Abs: 'abs',
  Cos: 'cos',
  Erf: 'erf',
  Exp: 'exp',
  Log: 'log',
  Neg: 'neg',
  Reciprocal: 'reciprocal',
  Relu: 'relu',
  Sigmoid: 'sigmoid',
  Sin: 'sin',
  Softplus: 'softplus',
  Sqrt: 'sqrt',
  Tanh: 'tanh',
} as const;

const BINARY = { Add: 'add', Sub: 'sub', Mul: 'mul', Div: 'div' } as const;

/** Operators of ai.onnx that a chain may hold, by how many inputs they have. Clip has its bounds as inputs. */
export const LINKS: Readonly<Record<string, readonly number[]>> = {
  ...Object.fromEntries(Object.keys(UNARY).map((name) => [name, [1]])),
  ...Object.fromEntries(Object.keys(BINARY).map((name) => [name, [2]])),
  Clip: [2, 3],
};

/** One operator of a chain: its inputs, undefined where the link before gives that one, null where it is absent. */
export interface Link {
  readonly opType: string;
  readonly inputs: readonly (Tensor | undefined | null)[];
}

/** A block's elements, `at` elements into the tensor, from one address to another, which may be the same. */
type Body = (from: number, to: number, n: number, at: number) => void;

/** Elements of a block: it and what it is made of fit the first-level cache. */
const BLOCK = 4096;

/**
 * As many links from the first on as can be run together: every operand a float tensor of one shape, or one number. The first link
 * has all its inputs. Undefined where that is not at least two.
 * @returns the result of the last of them, and how many they are
 */
export function pointwise(links: readonly Link[], rt: Runtime): { y: Tensor; count: number } | undefined {
  const [first, ...rest] = links as [Link, ...Link[]];
  const stream = streamOf(first);
  const x = stream === undefined ? undefined : first.inputs[stream];
  if (x?.dtype !== 'float') return undefined;
  const own = { ...first, inputs: first.inputs.map((t, i) => (i === stream ? undefined : t)) };
  const bodies: Body[] = [];
  for (const link of [own, ...rest]) {
    const body = bodyOf(link, x.dims, rt);
    if (body === undefined) break;
    bodies.push(body);
  }
  if (bodies.length < 2) return undefined;
  const y = rt.over(x);
  const total = product(x.dims);
  const [px, py] = [rt.ptr(x), rt.ptr(y)];
  // Threads share the elements of one call.
  const block = rt.wasm.threads > 1 ? total : BLOCK;
  for (let at = 0; at < total; at += block) {
    const n = Math.min(block, total - at);
    const to = py + 4 * at;
    let from = px + 4 * at;
    for (const body of bodies) {
      body(from, to, n, at);
      from = to;
    }
  }
  return { y, count: bodies.length };
}

/** Which input of the first link sets the shape. */
function streamOf({ opType, inputs: [a, b] }: Link): number | undefined {
  if (!(opType in BINARY)) return 0;
  if (!a || !b) return undefined;
  if (repeats(b.dims, a.dims)) return 0;
  return repeats(a.dims, b.dims) ? 1 : undefined;
}

function bodyOf({ opType, inputs }: Link, dims: readonly number[], rt: Runtime): Body | undefined {
  const { k } = rt.wasm;
  if (Object.hasOwn(UNARY, opType)) {
    const kernel = k[UNARY[opType as keyof typeof UNARY] as keyof Pick<Kernels, 'relu'>];
    return (from, to, n) => kernel(from, to, n);
  }
  if (opType === 'Clip') return clip(inputs, k);
  const kernels = kernelsOf(k, BINARY[opType as keyof typeof BINARY]);
  const forward = inputs[0] === undefined;
  const other = inputs[forward ? 1 : 0];
  if (other?.dtype !== 'float') return undefined;
  if (sameDims(other.dims, dims)) {
    const p = rt.ptr(other);
    return forward
      ? (from, to, n, at) => kernels.same(from, p + 4 * at, to, n)
      : (from, to, n, at) => kernels.same(p + 4 * at, from, to, n);
  }
  if (product(other.dims) !== 1 || other.dims.length > dims.length) return undefined;
  const s = other.data[0] as number;
  const { scalar } = forward ? kernels : kernels.reversed;
  return (from, to, n) => scalar(from, s, to, n);
}

/** As Clip does it with those bounds; undefined for none. */
function clip([, low, high]: Link['inputs'], k: Kernels): Body | undefined {
  const bounds = [low, high].map((t) =>
    t ? (t.dtype === 'float' && t.data.length === 1 ? t.data[0] : null) : undefined,
  );
  if (bounds.includes(null)) return undefined;
  const [lo, hi] = bounds as (number | undefined)[];
  if (lo === undefined && hi === undefined) return undefined;
  if (lo === undefined) return (from, to, n) => k.min_scalar(from, hi!, to, n);
  if (hi === undefined) return (from, to, n) => k.max_scalar(from, lo, to, n);
  return (from, to, n) => k.clip(from, to, n, lo, hi);
}
