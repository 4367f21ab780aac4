import { KappaError, UnsupportedError } from '../errors.ts';
import { Session } from '../graph/session.ts';
import { fromHalf } from '../grid/index.ts';
import { type External, readModel } from '../onnx/index.ts';
import { sampleFromProtos } from '../data/index.ts';
import { readTensorProto } from '../onnx/tensor.ts';
import type { CheckCase } from '../report/types.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** Inputs and expected outputs of one run, TensorProtos in the order of the model's inputs and outputs. */
export interface CaseSet {
  readonly name: string;
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}

/** A test case of the ONNX backend suite: a model and data sets. */
export interface Case {
  readonly name: string;
  readonly model: Uint8Array;
  readonly external?: External | undefined;
  readonly sets: readonly CaseSet[];
}

/** How far an output may be from the one expected. */
export interface Tolerance {
  /** |ours - expected| <= atol + rtol |expected|. Defaults 1e-3 and 1e-7, those of the ONNX backend suite. */
  readonly rtol?: number | undefined;
  readonly atol?: number | undefined;
}

/**
 * Runs one test case. Unsupported is what Kappa says it does not run; all else that is not right has failed. Element types and
 * shapes have to be equal, elements within the tolerance; NaN equals NaN.
 */
export function checkCase(wasm: Wasm, of: Case, { rtol = 1e-3, atol = 1e-7 }: Tolerance = {}): CheckCase {
  const { name } = of;
  let session: Session | undefined;
  let maxAbs: number | null = null;
  try {
    session = new Session(readModel(of.model, name, { external: of.external }), wasm);
    if (of.sets.length === 0) return { name, status: 'failed', maxAbs, reason: 'no test_data_set folder' };
    for (const set of of.sets) {
      const feeds = Object.fromEntries(sampleFromProtos(set.inputs, session.inputs, set.name));
      const actual = session.run(feeds);
      for (const [i, bytes] of set.outputs.entries()) {
        const output = session.outputs[i];
        const what = `${set.name}, output ${i}`;
        if (!output) return { name, status: 'failed', maxAbs, reason: `${what}: the model has no such output` };
        const want = readTensorProto(bytes, what).tensor;
        const found = difference(wasm, actual[output.name]!, want, rtol, atol);
        if (found.maxAbs !== undefined) maxAbs = Math.max(maxAbs ?? 0, found.maxAbs);
        if (found.reason)
          return { name, status: 'failed', maxAbs, reason: `${what} "${output.name}": ${found.reason}` };
      }
    }
    return { name, status: 'passed', maxAbs, reason: null };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof KappaError)) return { name, status: 'failed', maxAbs, reason: `a bug in Kappa: ${reason}` };
    return { name, status: error instanceof UnsupportedError ? 'unsupported' : 'failed', maxAbs, reason };
  } finally {
    session?.dispose();
  }
}

function difference(
  wasm: Wasm,
  actual: Tensor,
  expected: Tensor,
  rtol: number,
  atol: number,
): { reason?: string; maxAbs?: number } {
  if (actual.dtype !== expected.dtype) return { reason: `expected type ${expected.dtype}, found ${actual.dtype}` };
  if (actual.dims.join() !== expected.dims.join())
    return { reason: `expected shape [${expected.dims}], found [${actual.dims}]` };
  const [a, b] = [numbers(wasm, actual), numbers(wasm, expected)];
  let maxAbs = 0;
  let reason: string | undefined;
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    const gap = Math.abs(x - y);
    maxAbs = Math.max(maxAbs, Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap);
    // Written so that NaN and infinity on one side alone never pass.
    if (!(gap <= atol + rtol * Math.abs(y)) || !Number.isFinite(y))
      reason ??= `element ${i}: expected ${y}, found ${x}`;
  }
  return reason === undefined ? { maxAbs } : { maxAbs, reason };
}

/** Elements as numbers, the halves decoded. 64-bit integers beyond 2^53 lose their last bits, less than any tolerance. */
function numbers(wasm: Wasm, t: Tensor): ArrayLike<number> {
  if (t.dtype === 'float16') return fromHalf(wasm, t.data as Uint16Array);
  if ((t.dtype as string) === 'bfloat16') {
    const wide = Uint32Array.from(t.data as Uint16Array, (bits) => bits * 0x10000);
    return new Float32Array(wide.buffer);
  }
  if (t.data instanceof BigInt64Array || t.data instanceof BigUint64Array)
    return Float64Array.from(t.data as BigInt64Array, Number);
  return t.data as Float32Array;
}
