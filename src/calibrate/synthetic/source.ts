import { arrayOf, sizeOf, type Tensor, tensor } from '../../tensor.ts';
import type { Wasm } from '../../wasm/wasm.ts';
import { Draws, field, type Texture } from './draws.ts';
import type { InputKind } from './inputs.ts';
import type { Moments } from './moments.ts';
import { batched } from './shapes.ts';
import { put } from './written.ts';

/** How the elements of one input are drawn. */
export interface Source {
  readonly kind: InputKind;
  readonly shape: readonly number[];
  readonly moments: Moments;
  readonly note: string;
}

const STANDARD: Moments = { texture: 'white', means: [0], deviation: 1 };

/** Shares of a picture channel's deviation that all have in common, and of its own: the squares sum to 1. */
const COMMON = 0.96;
const OWN = 0.28;

/** What is drawn where nothing is known but the input itself. */
export function plain(kind: InputKind, shape: readonly number[]): Source {
  const note =
    kind.rows !== undefined
      ? `any of ${kind.rows} rows`
      : kind.compared.length > 0
        ? `one of ${kind.compared.join(', ')}`
        : /int|bool/.test(kind.dtype)
          ? '0 or 1'
          : `${named(kind.picture ? 'leaves' : 'white', kind)} of mean 0 and variance 1: nothing in the model says more`;
  return { kind, shape, moments: kind.picture ? { ...STANDARD, texture: 'leaves' } : STANDARD, note };
}

/** What people call it. */
export function named(texture: Texture, kind: InputKind): string {
  if (!kind.picture) return texture === 'white' ? 'normal numbers' : `${texture} signals`;
  return texture === 'leaves' ? 'pictures of dead leaves' : `${texture} noise pictures`;
}

/** The axis along which an input's numbers differ in what they mean. */
export function channelAxis(kind: InputKind, shape: readonly number[]): number | undefined {
  if (kind.picture) return kind.picture.axis;
  return shape.length >= 3 ? 1 : undefined;
}

/** Height and width of what has neighbours; undefined where nothing says that anything has. */
export function spread(kind: InputKind, shape: readonly number[]): readonly [number, number] | undefined {
  if (kind.picture?.axis === 1) return [shape[2]!, shape[3]!];
  if (kind.picture) return [shape[1]!, shape[2]!];
  return shape.length === 3 && kind.dtype === 'float' ? [1, shape[2]!] : undefined;
}

function planes(draws: Draws, texture: Texture, height: number, width: number, each: number): Float64Array {
  return height * width === each ? field(draws, texture, height, width) : field(draws, 'white', 1, each);
}

/** The shape of n samples. A scalar has no axis to stack along: its samples are told apart by `part`. */
function stacked(shape: readonly number[], n: number): number[] {
  return n === 1 ? [...shape] : shape.length === 0 ? [n] : batched(shape, n);
}

/** `count` samples from the `index`th on of an input's stacked array, as the model takes them. */
export function part(t: Tensor, shape: readonly number[], index: number, count = 1): Tensor {
  const each = sizeOf(shape);
  const dims = count === 1 ? shape : batched(shape, count);
  return tensor(t.dtype, dims, t.data.subarray(index * each, (index + count) * each));
}

/** n samples of every input, stacked along their first axis. */
export function drawSamples(wasm: Wasm, sources: readonly Source[], n: number, seed: number): Record<string, Tensor> {
  return Object.fromEntries(
    sources.map((source, i) => {
      return [source.kind.name, drawn(wasm, source, new Draws(seed + 7907 * i), n)];
    }),
  );
}

function drawn(wasm: Wasm, source: Source, draws: Draws, n: number): Tensor {
  const { dtype, rows, compared } = source.kind;
  if (dtype === 'float') return drawFloats(source, draws, n);
  const dims = stacked(source.shape, n);
  const data = new (arrayOf(dtype))(sizeOf(dims));
  const t = tensor(dtype, dims, data);
  if (dtype === 'double' || dtype === 'float16' || dtype === 'bfloat16')
    return asType(wasm, drawFloats(source, draws, n), t);
  for (let i = 0; i < data.length; i++)
    put(
      t,
      i,
      rows !== undefined
        ? draws.below(rows)
        : compared.length > 0
          ? compared[draws.below(compared.length)]!
          : draws.below(2),
    );
  return t;
}

/** The elements in the type of `to`, a floating one, which they are put into. */
function asType({ arena, k }: Wasm, { data }: Tensor, to: Tensor): Tensor {
  if (to.data instanceof Float64Array) to.data.set(data as Float32Array);
  else if (to.dtype === 'bfloat16') {
    const bits = new Uint32Array((data as Float32Array).buffer);
    for (let i = 0; i < bits.length; i++) to.data[i] = bits[i]! >>> 16;
  } else
    arena.scope((alloc) => {
      const from = alloc(4 * data.length);
      const at = alloc(2 * data.length);
      arena.put(from, data);
      k.f32_to_f16(from, data.length, at);
      (to.data as Uint16Array).set(arena.u16(at, data.length));
    });
  return to;
}

/** n samples of an input of floats. */
export function drawFloats({ kind, shape, moments }: Source, draws: Draws, n: number): Tensor {
  const dims = stacked(shape, n);
  const data = new Float32Array(sizeOf(dims));
  const { texture, means, deviation } = moments;
  const axis = channelAxis(kind, shape);
  const channels = axis === undefined ? 1 : shape[axis]!;
  const each = data.length / (n * channels);
  const last = axis !== undefined && axis === shape.length - 1;
  const [height, width] = spread(kind, shape) ?? [1, each];
  for (let s = 0; s < n; s++) {
    const common = deviation === 0 ? undefined : planes(draws, texture, height, width, each);
    for (let c = 0; c < channels; c++) {
      // Channels of a picture show the same thing, in colours that differ a little.
      const shared = kind.picture !== undefined;
      const own =
        common === undefined || (shared && channels === 1) ? undefined : planes(draws, texture, height, width, each);
      const mean = means[c] ?? means[0]!;
      for (let i = 0; i < each; i++) {
        const base = common?.[i] ?? 0;
        const v = own === undefined ? base : shared ? COMMON * base + OWN * own[i]! : own[i]!;
        data[last ? (s * each + i) * channels + c : (s * channels + c) * each + i] = mean + deviation * v;
      }
    }
  }
  return tensor('float', dims, data);
}
