/** What a model takes for an image: which input, its shape and how pixels become its values. */
import { DataError, UnsupportedError, UsageError } from '../../errors.ts';
import type { Model, ValueInfo } from '../../onnx/model.ts';
import { show, showDims } from '../../onnx/show.ts';
import { type DType, dtypeOf } from '../../tensor.ts';
import { halfBits } from './half.ts';
import type { ImageFit, ImageLayout, ImageOptions } from './options.ts';

const MAX_SIZE = 16384;
const MAX_HALF = 65504;
type Elements = Uint8Array | Uint16Array | Float32Array | Float64Array;

/** How every image of a dataset is made a sample. */
export interface Target {
  /** Name of the model's input. */
  readonly input: string;
  readonly dtype: DType;
  /** Shape of one sample. */
  readonly dims: readonly number[];
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly layout: ImageLayout;
  readonly fit: ImageFit;
  readonly crop: number;
  /** Plane of the input that red (or grey), green and blue go to. */
  readonly planes: readonly number[];
  /** Value of a byte, by plane. */
  readonly values: readonly Elements[];
  /** All of it, for people: what has the same text has the same samples. */
  readonly text: string;
}

interface Shape {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly layout: ImageLayout;
  readonly dims: readonly number[];
}

/**
 * @throws UsageError for options that do not fit the model, DataError for a model that does not take images, UnsupportedError for an
 *   input of another type than uint8, float16, float or double; TypeError, RangeError for an option of a wrong type or value
 */
export function targetOf(model: Pick<Model, 'graph'>, options: ImageOptions): Target {
  checkOptions(options);
  const initializers = new Set(model.graph.initializers.map((t) => t.name));
  const inputs = model.graph.inputs.filter((input) => !initializers.has(input.name));
  const input = inputs[0];
  if (!input || inputs.length > 1)
    throw new DataError(
      `images: expected a model of one input, found ${inputs.length} (${inputs.map((i) => show(i.name)).join(', ')}): give an .npz with an array for each`,
    );
  const dtype = input.elemType === undefined ? undefined : dtypeOf(input.elemType);
  const shape = shapeOf(input, options);
  const { order = 'rgb', fit = 'crop', crop = 1 } = options;
  if (options.order !== undefined && shape.channels === 1)
    throw new UsageError(`image order ${order}: the model's input ${show(input.name)} has one channel`);
  if (options.crop !== undefined && fit !== 'crop')
    throw new UsageError(`image crop: has no effect with ${fit}: expected the image fit 'crop'`);
  const { values, text } = valuesOf(input, dtype, shape.channels, options);
  const { width, height, channels, layout } = shape;
  const share = fit === 'crop' && crop !== 1 ? ` to ${crop} of the shorter side` : '';
  return {
    ...shape,
    input: input.name,
    dtype: dtype!,
    fit,
    crop,
    planes: channels === 1 ? [0] : order === 'rgb' ? [0, 1, 2] : [2, 1, 0],
    values,
    text: `${width} x ${height}, ${fit}${share}, ${channels === 1 ? 'grey' : order}, ${shape.dims.length === 1 ? 'flat ' : ''}${layout}, ${text}`,
  };
}

/** For whoever calls from JavaScript. */
function checkOptions({ size, layout, mean, std, range, fit, crop, order }: ImageOptions): void {
  const named = (name: string, value: unknown, names: readonly unknown[]) => {
    if (value !== undefined && !names.includes(value))
      throw new RangeError(`image ${name}: expected one of ${names.join(', ')}, got ${value}`);
  };
  named('layout', layout, ['nchw', 'nhwc']);
  named('range', range, [1, 255]);
  named('fit', fit, ['crop', 'stretch', 'pad']);
  named('order', order, ['rgb', 'bgr']);
  const sides = size === undefined ? [] : typeof size === 'number' ? [size] : [size.width, size.height];
  for (const side of sides)
    if (!Number.isSafeInteger(side) || side < 1 || side > MAX_SIZE)
      throw new RangeError(`image size: expected whole numbers from 1 to ${MAX_SIZE}, got ${side}`);
  if (crop !== undefined && !(crop > 0 && crop <= 1))
    throw new RangeError(`image crop: expected a share above 0 and up to 1, got ${crop}`);
  for (const [name, given] of [
    ['mean', mean],
    ['std', std],
  ] as const)
    for (const value of given === undefined ? [] : listOf(given))
      if (typeof value !== 'number' || !Number.isFinite(value) || (name === 'std' && !(value > 0)))
        throw new RangeError(`image ${name}: expected finite numbers${name === 'std' ? ' > 0' : ''}, got ${value}`);
}

function listOf(given: number | readonly number[]): readonly number[] {
  return typeof given === 'number' ? [given] : given;
}

/** Width, height, channels and where they stand, from the model's input and what was told. */
function shapeOf(input: ValueInfo, options: ImageOptions): Shape {
  const { dims } = input;
  const what = `the model's input ${show(input.name)} ${dims ? showDims(dims) : 'without a shape'}`;
  if (!dims || dims.length === 2) return flatShape(what, dims?.[1], options);
  if (dims.length !== 4)
    throw new DataError(`images: expected an input of four dimensions, found ${what}: give an .npz`);
  const channelsAt = (axis: number) => dims[axis] === 1 || dims[axis] === 3;
  const layout =
    options.layout ?? (channelsAt(1) && !channelsAt(3) ? 'nchw' : channelsAt(3) && !channelsAt(1) ? 'nhwc' : undefined);
  if (!layout)
    throw new UsageError(`images: say --image-layout nchw or nhwc: ${what} does not tell where channels are`);
  const [c, h, w] = layout === 'nchw' ? [1, 2, 3] : [3, 1, 2];
  const found = dims[c!];
  if (typeof found === 'number' && found !== 1 && found !== 3)
    throw new DataError(`images: expected 1 or 3 channels (${layout}), found ${found} in ${what}`);
  const channels = found === 1 ? 1 : 3;
  const width = side('width', dims[w!], options, what);
  const height = side('height', dims[h!], options, what);
  return {
    width,
    height,
    channels,
    layout,
    dims: layout === 'nchw' ? [channels, height, width] : [height, width, channels],
  };
}

/** Rows of numbers: a square unless told, grey where that many numbers are one, colour where a third of them are. */
function flatShape(what: string, length: number | string | null | undefined, options: ImageOptions): Shape {
  const none = new DataError(`images: expected an input of four dimensions, found ${what}: give an .npz`);
  if (typeof length !== 'number') throw none;
  const { layout = 'nchw', size } = options;
  for (const channels of [1, 3] as const) {
    const edge = Math.round(Math.sqrt(length / channels));
    const [width, height] =
      size === undefined ? [edge, edge] : typeof size === 'number' ? [size, size] : [size.width, size.height];
    if (length > 0 && width * height * channels === length && width <= MAX_SIZE && height <= MAX_SIZE)
      return { width, height, channels, layout, dims: [length] };
  }
  if (size === undefined) throw none;
  const [width, height] = typeof size === 'number' ? [size, size] : [size.width, size.height];
  throw new UsageError(
    `image size: ${width} x ${height} pixels, grey or colour, are not as many numbers as ${what} has`,
  );
}

function side(
  name: 'width' | 'height',
  fixed: number | string | null | undefined,
  { size }: ImageOptions,
  what: string,
): number {
  const told = typeof size === 'number' ? size : size?.[name];
  if (typeof fixed !== 'number') {
    if (told === undefined) throw new UsageError(`images: say --image-size: ${what} leaves the ${name} open`);
    return told;
  }
  if (told !== undefined && told !== fixed)
    throw new UsageError(`image size: ${name} ${told}, expected ${fixed}: ${what} fixes it`);
  if (fixed < 1 || fixed > MAX_SIZE) throw new DataError(`images: ${what} has a ${name} of ${fixed}`);
  return fixed;
}

/** The value of every byte by plane, each step rounded to float as training code does, and its description. */
function valuesOf(
  input: ValueInfo,
  dtype: DType | undefined,
  channels: number,
  { mean, std, range = 1 }: ImageOptions,
): { values: Elements[]; text: string } {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  if (dtype === 'uint8') {
    const idle = mean !== undefined ? 'mean' : std !== undefined ? 'std' : range !== 1 ? 'image range' : undefined;
    if (idle)
      throw new UsageError(`${idle}: has no effect on uint8, which the model's input ${show(input.name)} is of`);
    return { values: Array.from({ length: channels }, () => bytes), text: 'values as they are' };
  }
  if (dtype !== 'float' && dtype !== 'float16' && dtype !== 'double')
    throw new UnsupportedError(
      `images: the model's input ${show(input.name)} is ${dtype ?? 'of another type'}, expected uint8, float16, float or double`,
    );
  const each = (name: string, given: number | readonly number[] = name === 'std' ? 1 : 0): number[] => {
    const list = listOf(given);
    if (list.length !== 1 && list.length !== channels)
      throw new UsageError(
        `${name}: ${list.length} numbers, expected one${channels === 1 ? '' : ` or ${channels}`}: the model's input ${show(input.name)} has ${channels} channel${channels === 1 ? '' : 's'}`,
      );
    return Array.from({ length: channels }, (_, c) => list[list.length === 1 ? 0 : c]!);
  };
  const [means, stds] = [each('mean', mean), each('std', std)];
  const round = dtype === 'double' ? (v: number) => v : Math.fround;
  const values = means.map((m, c) => {
    const plane = Float64Array.from(bytes, (v) =>
      round(round(round(range === 1 ? v / 255 : v) - round(m)) / round(stds[c]!)),
    );
    if (!plane.every((v) => Math.abs(v) <= (dtype === 'float16' ? MAX_HALF : Number.MAX_VALUE)))
      throw new RangeError(`image std: ${stds[c]} makes values that ${dtype} has not`);
    if (dtype === 'double') return plane;
    return dtype === 'float' ? Float32Array.from(plane) : Uint16Array.from(plane, halfBits);
  });
  const scaled = range === 1 ? 'values / 255' : 'values 0..255';
  const shown = (list: readonly number[]) => (new Set(list).size === 1 ? `${list[0]}` : `[${list.join(', ')}]`);
  const moved = means.some((m) => m !== 0) ? `${scaled} - ${shown(means)}` : scaled;
  const divided = stds.some((s) => s !== 1);
  return { values, text: divided ? `${moved === scaled ? moved : `(${moved})`} / ${shown(stds)}` : moved };
}

/**
 * Writes an image's values to `out`, a sample's elements.
 * @param pixels of the target's size, as many channels as it has: `fitted`
 */
export function writeValues(pixels: Uint8Array, target: Target, out: Elements): void {
  const { width, height, channels, layout, planes, values } = target;
  const [pixel, plane] = layout === 'nchw' ? [1, width * height] : [channels, 1];
  for (let c = 0; c < channels; c++) {
    const to = planes[c]!;
    const table = values[to]!;
    for (let at = to * plane, from = c; from < pixels.length; at += pixel, from += channels)
      out[at] = table[pixels[from]!]!;
  }
}
