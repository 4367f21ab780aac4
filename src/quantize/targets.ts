import { UsageError } from '../errors.ts';
import type { Layer } from '../graph/index.ts';
import type { Surroundings } from './around.ts';
import type { WeightFormat, WrittenSpec } from './format.ts';
import { FORMATS } from './formats.ts';

/** Who is to run a file. */
export type Target = 'any' | 'web' | 'webgpu' | 'node';
/** The targets there are. */
export const TARGETS: readonly Target[] = ['any', 'web', 'webgpu', 'node'];

/** Formats that can be asked for, whatever the target. */
export const FORCED: readonly string[] = ['dense', 'integer', 'nbits', 'qdq'];

/** A format, and why it is this one. */
export interface Choice {
  readonly format: string;
  readonly reason: string;
}

/** What is to be written of one layer. */
export interface Wanted {
  readonly layer: Layer;
  readonly spec: WrittenSpec;
  /** Whether its rows have different widths. */
  readonly mixed: boolean;
}

/** A format in question, and what speaks for it. */
type Preference = readonly [format: string, reason: string];

const DECODED: Preference = ['dense', 'decoded to floats once, at load, and then as fast as the original'];
const PRODUCT = 'multiplied straight from the codes, which stay in memory as they are stored';
const TABLE: Preference = ['nbits-table', 'only the rows asked for are decoded'];

/**
 * Weights from which on onnxruntime-node multiplies 4-bit codes no slower than floats, whatever the number of rows: these no longer
 * fit its caches. One row of 4096 x 4096 weights takes 0.4 of the time; four rows of 1024 x 1024 take 1.7 times as long.
 */
const LEAST_ON_NODE = 2 ** 23;

/**
 * What each target runs fast. onnxruntime-web's products of 4-bit codes take one and a half to five times those of floats, products
 * of 2 and 8 bits in onnxruntime-node several times; what DequantizeLinear decodes it decodes in every run. The WebGPU backend has
 * products of 4 and 8 bits and no GatherBlockQuantized.
 */
const PREFERENCES: Readonly<Record<Target, (wanted: Wanted) => readonly Preference[]>> = {
  any: () => [DECODED],
  web: () => [DECODED],
  webgpu: ({ spec: { bits } }) => (bits === 4 || bits === 8 ? [['nbits', PRODUCT], DECODED] : [DECODED]),
  node: ({ layer: { opType, params }, spec: { bits } }) => {
    if (params < LEAST_ON_NODE) return [DECODED];
    if (opType === 'Gather') return [TABLE, DECODED];
    return bits === 4 ? [['nbits', PRODUCT], DECODED] : [DECODED];
  },
};

/** Share of the weights from which on the layers whose codes a target multiplies say how rows are written. */
const WORTH_WHOLE = 0.1;

/**
 * Whether a target has products of codes that it runs faster than those of decoded weights for a good part of these layers' weights:
 * they need one width a layer. All else is decoded at load, whatever the widths of its rows.
 */
export function multipliesCodes(target: Target, layers: readonly Layer[]): boolean {
  const multiplied = ({ opType, params }: Layer): boolean => {
    if (target === 'webgpu') return opType === 'MatMul' || opType === 'Gemm';
    return target === 'node' && params >= LEAST_ON_NODE && opType !== 'Conv';
  };
  const sum = (of: readonly Layer[]) => of.reduce((n, l) => n + l.params, 0);
  return sum(layers.filter(multiplied)) > WORTH_WHOLE * sum(layers);
}

/** What stands for a format that was asked for. */
const ASKED: Readonly<Record<string, readonly Preference[]>> = {
  nbits: [
    ['nbits', 'asked for'],
    ['nbits-table', 'asked for: the table of nbits'],
  ],
};

/** Widest codes that the WebGPU bundle of onnxruntime-web casts: it has no Cast from integers of 16 bits, nor of 4. */
const WIDEST_ON_WEBGPU = 8;

/**
 * The format of a layer. Where that of the target, or the one asked for, cannot hold what is wanted, the nearest that can: `dense`,
 * which holds everything in any opset; the reason says what stood against the other.
 * @param forced a format asked for
 * @throws UsageError for a format there is not
 */
export function chooseFormat(
  target: Target,
  forced: string | undefined,
  wanted: Wanted,
  around: Surroundings,
  formats: Readonly<Record<string, WeightFormat>> = FORMATS,
): Choice {
  const choice = nearestFormat(target, forced, wanted, around, formats);
  if (target !== 'webgpu' || choice.format !== 'dense' || wanted.spec.bits <= WIDEST_ON_WEBGPU) return choice;
  return { format: 'dense-bytes', reason: `${choice.reason}; byte by byte: WebGPU's runtime casts no int16` };
}

function nearestFormat(
  target: Target,
  forced: string | undefined,
  wanted: Wanted,
  around: Surroundings,
  formats: Readonly<Record<string, WeightFormat>>,
): Choice {
  const preferences =
    forced === undefined
      ? PREFERENCES[target](wanted)
      : Object.hasOwn(ASKED, forced)
        ? ASKED[forced]!
        : [[forced, 'asked for'] as const];
  let against: string | undefined;
  for (const [name, reason] of preferences) {
    const format = Object.hasOwn(formats, name) ? formats[name] : undefined;
    if (!format) throw new UsageError(`format ${name}: expected one of ${Object.keys(formats).join(', ')}`);
    const refused = refusal(format, wanted, around);
    if (refused === undefined)
      return { format: name, reason: against === undefined ? reason : `${reason}; ${against}` };
    // Of several operators that one name stands for, the first says the most, unless it is of another kind.
    if (against === undefined || wanted.layer.opType === 'Gather') against = `${name}: ${refused}`;
  }
  return { format: 'dense', reason: `${DECODED[1]}; ${against}` };
}

/** Why a format cannot hold a layer; undefined where it can. */
export function refusal(
  format: WeightFormat,
  { layer, spec, mixed }: Wanted,
  around: Surroundings,
): string | undefined {
  if (mixed && !format.mixedBytes) return 'rows of different widths';
  if (!format.widths.includes(spec.bits)) return `no ${spec.bits} bits`;
  const opset = format.opset(spec);
  if (!around.reaches(opset))
    return `needs opset ${opset}, and not all operators of opset ${around.opset} mean the same there`;
  return format.refuses?.(layer, spec, around);
}
