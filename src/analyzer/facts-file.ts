import type { Calibration, LayerCalibration } from '../calibrate/calibrate.ts';
import type { Statistics } from '../calibrate/statistics.ts';
import { MAX_GRAM } from '../calibrate/inputs.ts';
import type { Judged } from '../curvature/joint.ts';
import { DataError } from '../errors.ts';
import type { Layer } from '../graph/layers.ts';
import { packDense, unpackDense } from '../grid/index.ts';
import { GRID_BITS, type Grid, kernelShape } from '../grid/spec.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Facts, KnownSpectrum, WholeCodes } from './facts.ts';
import { ByteReader, ByteWriter } from './bytes.ts';

/** What a file of facts starts with; the digit is the form's version. */
const MAGIC = 'KAPPAFACTS2\n';
/** Largest file that is written or read unless told otherwise. */
export const FACTS_LIMIT = 256 * 2 ** 20;
/** Characters of plans whose damages are kept, all together. */
const PLANS = 4 * 2 ** 20;

const STATISTICS = ['count', 'mean', 'variance', 'min', 'max', 'maxRowNorm', 'maxSampleNorm'] as const;

/**
 * Facts as bytes, at most `limit` of them: errors, spectra and notes, then the calibration, its Gram matrices by their upper
 * halves, then codes in bit planes as many as there is room for.
 * @returns undefined where not even the small ones fit
 */
export function writeFacts(
  wasm: Wasm,
  facts: Facts,
  layers: readonly Layer[],
  limit: number = FACTS_LIMIT,
): Uint8Array<ArrayBuffer> | undefined {
  const small = new ByteWriter();
  small.text(MAGIC);
  small.u32(facts.samples);
  writeErrors(small, facts.rowErrors);
  writeSpectra(small, facts.spectra);
  small.json(facts.notes ?? null);
  writeDamages(small, facts.damages);
  const calibration = facts.calibration && calibrationBytes(facts.calibration, layers);
  if (small.length + 16 > limit) return undefined;
  const fits = calibration !== undefined && small.length + calibration.length + 16 <= limit;
  small.u32(fits ? 1 : 0);
  if (fits) small.append(calibration);
  const room = limit - small.length - 4;
  const codes = new ByteWriter();
  let count = 0;
  for (const one of facts.codes) {
    const own = codesBytes(wasm, one);
    if (codes.length + own.length > room) break;
    codes.append(own);
    count++;
  }
  small.u32(count);
  small.append(codes);
  return small.bytes();
}

/**
 * The facts in such bytes.
 * @param layers of the model they are of
 * @throws DataError where they are damaged, or about other layers
 */
export function readFacts(wasm: Wasm, bytes: Uint8Array, layers: readonly Layer[]): Facts {
  const from = new ByteReader(bytes, 'kept measurements');
  if (from.text() !== MAGIC) throw new DataError('kept measurements: not of this version');
  const known = new Map(layers.map((l) => [l.weight, l]));
  const layer = (weight: string): Layer => {
    const found = known.get(weight);
    if (!found) throw new DataError(`kept measurements: the model has no layer of weight '${weight}'`);
    return found;
  };
  const samples = from.u32();
  const rowErrors = readErrors(from, layer);
  const spectra = readSpectra(from, layer);
  const notes = notesOf(from.json());
  const damages = readDamages(from);
  const calibration = from.u32() === 0 ? undefined : readCalibration(from, layer);
  const codes: WholeCodes[] = [];
  for (let left = from.u32(); left > 0; left--) codes.push(readCodes(wasm, from, layer));
  from.end();
  if (calibration && calibration.samples !== samples)
    throw new DataError(
      `kept measurements: expected a calibration on ${samples} samples, found ${calibration.samples}`,
    );
  return { samples, calibration, codes, rowErrors, spectra, notes, damages };
}

function writeErrors(to: ByteWriter, errors: Facts['rowErrors']): void {
  to.u32(errors.size);
  for (const [weight, widths] of errors) {
    to.text(weight);
    to.u32(widths.size);
    for (const [bits, rows] of widths) {
      to.u32(bits);
      to.f64(rows);
    }
  }
}

function readErrors(from: ByteReader, layer: (weight: string) => Layer): Map<string, Map<number, Float64Array>> {
  const errors = new Map<string, Map<number, Float64Array>>();
  for (let left = from.u32(); left > 0; left--) {
    const weight = from.text();
    const { rows } = layer(weight);
    const own = new Map<number, Float64Array>();
    for (let widths = from.u32(); widths > 0; widths--) {
      const bits = widthOf(from, [0, ...GRID_BITS]);
      const list = from.f64(rows);
      if (!list.every((e) => e >= 0 && Number.isFinite(e)))
        throw new DataError(`kept measurements: errors of the rows of '${weight}': expected numbers >= 0`);
      own.set(bits, list);
    }
    errors.set(weight, own);
  }
  return errors;
}

function writeSpectra(to: ByteWriter, spectra: Facts['spectra']): void {
  to.u32(spectra.size);
  for (const [weight, { sigmaMax, exact, by, condition }] of spectra) {
    to.text(weight);
    to.text(by);
    to.u32((exact ? 1 : 0) + (condition === undefined ? 0 : 2));
    to.f64(Float64Array.of(sigmaMax, condition ?? 0));
  }
}

function readSpectra(from: ByteReader, layer: (weight: string) => Layer): Map<string, KnownSpectrum> {
  const spectra = new Map<string, KnownSpectrum>();
  for (let left = from.u32(); left > 0; left--) {
    const weight = from.text();
    layer(weight);
    const by = from.text();
    const flags = from.u32();
    const [sigmaMax, condition] = from.f64(2) as unknown as [number, number];
    if (!(sigmaMax >= 0) || sigmaMax === Number.POSITIVE_INFINITY || flags > 3)
      throw new DataError(`kept measurements: the norm of '${weight}': expected a number >= 0, found ${sigmaMax}`);
    spectra.set(weight, { sigmaMax, exact: (flags & 1) === 1, by, condition: flags > 1 ? condition : undefined });
  }
  return spectra;
}

function notesOf(value: unknown): readonly string[] | undefined {
  if (value === null) return undefined;
  if (!Array.isArray(value) || !value.every((line) => typeof line === 'string'))
    throw new DataError('kept measurements: notes: expected lines of text');
  return value;
}

function writeDamages(to: ByteWriter, damages: Facts['damages']): void {
  let room = PLANS;
  // Those of the last plans, should not all of them fit.
  const kept = [...damages].reverse().filter(([plan]) => {
    room -= plan.length;
    return room >= 0;
  });
  to.u32(kept.length);
  for (const [plan, { damage, interval }] of kept.reverse()) {
    to.text(plan);
    to.f64(Float64Array.of(damage, interval ?? Number.NaN));
  }
}

function readDamages(from: ByteReader): Map<string, Judged> {
  const damages = new Map<string, Judged>();
  for (let left = from.u32(); left > 0; left--) {
    const plan = from.text();
    const [damage, interval] = from.f64(2) as unknown as [number, number];
    if (!(damage >= 0) || damage === Number.POSITIVE_INFINITY)
      throw new DataError(`kept measurements: damage of a plan: expected a number >= 0, found ${damage}`);
    if (!Number.isNaN(interval) && !(interval >= 0 && interval < Number.POSITIVE_INFINITY))
      throw new DataError(`kept measurements: interval of a damage: expected a number >= 0, found ${interval}`);
    damages.set(plan, { damage, interval: Number.isNaN(interval) ? null : interval });
  }
  return damages;
}

function calibrationBytes(calibration: Calibration, layers: readonly Layer[]): ByteWriter {
  const { samples, batches, values, shapes, rowVariance } = calibration;
  const to = new ByteWriter();
  to.json({ samples, batches, shapes: [...shapes], values: [...values.keys()], variances: [...rowVariance.keys()] });
  to.f64(Float64Array.from([...values.values()].flatMap((s) => STATISTICS.map((name) => s[name]))));
  to.f64(Float64Array.from(rowVariance.values()));
  const own = layers.flatMap((layer) => {
    const found = calibration.layers.get(layer.weight);
    return found ? [{ layer, ...found }] : [];
  });
  to.u32(own.length);
  for (const { layer, gram, mean, rowWeights } of own) {
    to.text(layer.weight);
    to.u32((gram ? 1 : 0) + (rowWeights ? 2 : 0) + (mean ? 4 : 0));
    if (gram) to.f32(upperHalves(gram, layer.cols));
    if (rowWeights) to.f64(rowWeights);
    if (mean) to.f32(mean);
  }
  return to;
}

function readCalibration(from: ByteReader, layerOf: (weight: string) => Layer): Calibration {
  const { samples, batches, shapes, values, variances } = headOf(from.json());
  const numbers = from.f64(values.length * STATISTICS.length);
  const statistics = values.map((name, i): [string, Statistics] => {
    const at = i * STATISTICS.length;
    const all = Object.fromEntries(STATISTICS.map((key, j) => [key, numbers[at + j]!]));
    return [name, all as unknown as Statistics];
  });
  const least = from.f64(variances.length);
  const layers = new Map<string, LayerCalibration>();
  for (let left = from.u32(); left > 0; left--) {
    const layer = layerOf(from.text());
    const flags = from.u32();
    const { rows, cols, groups } = layer;
    if (flags > 7 || (flags & 1 && groups * cols * cols > MAX_GRAM))
      throw new DataError(`kept measurements: calibration of '${layer.weight}': expected what fits the layer`);
    const gram = flags & 1 ? whole(from.f32((groups * cols * (cols + 1)) / 2), groups, cols) : undefined;
    const rowWeights = flags & 2 ? from.f64(rows) : undefined;
    const mean = flags & 4 ? from.f32(groups * cols) : undefined;
    layers.set(layer.weight, { gram, mean, rowWeights });
  }
  return {
    samples,
    batches,
    layers,
    values: new Map(statistics),
    shapes: new Map(shapes),
    rowVariance: new Map(variances.map((name, i) => [name, least[i]!])),
  };
}

interface Head {
  readonly samples: number;
  readonly batches: number;
  readonly shapes: readonly [string, readonly number[]][];
  readonly values: readonly string[];
  readonly variances: readonly string[];
}

/** @throws DataError for another form */
function headOf(value: unknown): Head {
  const head = (value ?? {}) as Partial<Record<keyof Head, unknown>>;
  const count = (n: unknown, least: number) => Number.isSafeInteger(n) && (n as number) >= least;
  const names = (list: unknown) => Array.isArray(list) && list.every((n) => typeof n === 'string');
  const shape = (pair: unknown) =>
    Array.isArray(pair) &&
    typeof pair[0] === 'string' &&
    Array.isArray(pair[1]) &&
    pair[1].every((d: unknown) => count(d, 0));
  const { samples, batches, shapes, values, variances } = head;
  if (
    !count(samples, 1) ||
    !count(batches, 1) ||
    !names(values) ||
    !names(variances) ||
    !Array.isArray(shapes) ||
    !shapes.every(shape)
  )
    throw new DataError('kept measurements: calibration: expected counts, names and shapes');
  return head as Head;
}

/** Of symmetric matrices, row by row from the diagonal on. */
function upperHalves(gram: Float32Array, cols: number): Float32Array {
  const out = new Float32Array(((gram.length / cols) * (cols + 1)) / 2);
  let at = 0;
  for (let row = 0, i = 0; row < gram.length; row += cols, i = (i + 1) % cols) {
    out.set(gram.subarray(row + i, row + cols), at);
    at += cols - i;
  }
  return out;
}

function whole(halves: Float32Array, groups: number, cols: number): Float32Array {
  const gram = new Float32Array(groups * cols * cols);
  let at = 0;
  for (let g = 0; g < gram.length; g += cols * cols)
    for (let i = 0; i < cols; i++) {
      gram.set(halves.subarray(at, at + cols - i), g + i * cols + i);
      for (let j = i + 1; j < cols; j++) gram[g + j * cols + i] = halves[at + j - i]!;
      at += cols - i;
    }
  return gram;
}

function codesBytes(wasm: Wasm, { weight, bits, slice }: WholeCodes): ByteWriter {
  const { grid, codes } = slice;
  const to = new ByteWriter();
  to.text(weight);
  to.u32(bits);
  to.u32(grid.block);
  to.u32((grid.symmetric ? 1 : 0) + (grid.scaleType === 'float16' ? 2 : 0));
  to.f32(grid.scales);
  if (grid.zeros) to.raw(grid.zeros);
  to.raw(codes instanceof Uint16Array ? codes : packDense(wasm, codes, bits));
  return to;
}

function readCodes(wasm: Wasm, from: ByteReader, layerOf: (weight: string) => Layer): WholeCodes {
  const { weight, rows, cols } = layerOf(from.text());
  const bad = (what: string) => new DataError(`kept measurements: codes of '${weight}': ${what}`);
  const bits = widthOf(from);
  const block = from.u32();
  const flags = from.u32();
  if (flags > 3 || block < 1 || (block > cols && block !== rows * cols)) throw bad(`no such grid`);
  const n = rows * cols;
  const { count } = kernelShape(rows, cols, block);
  const scales = from.f32(count);
  if (!scales.every((s) => s > 0 && Number.isFinite(s))) throw bad('expected scales > 0');
  const wide = bits > 8;
  const numbers = (size: number) => (wide ? from.u16(size) : from.u8(size));
  const zeros = flags & 1 ? undefined : numbers(count);
  if (!wide && zeros?.some((z) => z >= 1 << bits)) throw bad(`expected zero points of ${bits} bits`);
  const packed = wide ? 0 : bits === 8 ? n : Math.ceil(n / 8) * bits;
  const codes = wide ? from.u16(n) : unpackDense(wasm, from.u8(packed), n, bits);
  const symmetric = (flags & 1) === 1;
  const scaleType = flags & 2 ? 'float16' : 'float';
  const grid: Grid = { bits, rows, cols, block, symmetric, scales, zeros, scaleType };
  return { weight, bits, slice: { rows: undefined, grid, codes } };
}

function widthOf(from: ByteReader, widths: readonly number[] = GRID_BITS): number {
  const bits = from.u32();
  if (!widths.includes(bits)) throw new DataError(`kept measurements: expected a width among ${widths}, found ${bits}`);
  return bits;
}
