/**
 * Models that people use, from npm packages installed for tests alone: each is inspected, run, quantized and compared here and
 * in onnxruntime.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as assert from 'uvu/assert';
import { datasetFromSamples } from '../../src/data/index.ts';
import { Session } from '../../src/graph/index.ts';
import { compareModels } from '../../src/jobs/compare.ts';
import { inspectModel } from '../../src/jobs/inspect.ts';
import { quantize } from '../../src/jobs/quantize.ts';
import { readModel } from '../../src/onnx/index.ts';
import { sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { loadWasm, normals, ROOT, random } from '../helpers.ts';
import { RUNTIMES, runIn } from '../quantize/run.ts';

export type Feeds = Record<string, Tensor>;

/** A folder of an npm package that holds models. */
export interface Collection {
  readonly folder: string;
  /** Files expected there: a package that changed is noticed. */
  readonly count: number;
  /** Seeded inputs of one model, different for every `sample`. */
  feeds(file: string, sample: number): Feeds;
  /** Models too large for calibration in a test: quantized from the weights alone. */
  readonly uncalibrated?: RegExp;
  /**
   * An output that keeps local maxima and sets all else to 0: where two neighbours are equal but for the last bits, which one is
   * kept differs. Elements that are 0 on one side alone and not near it on the other are passed over there, one in a thousand at most.
   */
  readonly peaks?: string;
}

const wasm = await loadWasm();

/** Largest |a - b| / max(1, max |b|) over the outputs. */
function distance(
  a: Readonly<Record<string, Tensor>>,
  b: Readonly<Record<string, Float32Array>>,
  peaks: string | undefined,
): number {
  let worst = 0;
  for (const [name, expected] of Object.entries(b)) {
    const found = a[name]!.data;
    assert.is(found.length, expected.length, `size of output '${name}'`);
    let difference = 0;
    let size = 1;
    let passedOver = 0;
    for (let i = 0; i < expected.length; i++) {
      const gap = Math.abs(Number(found[i]) - expected[i]!);
      if (name === peaks && gap > 1e-4 && (found[i] === 0) !== (expected[i] === 0)) {
        passedOver++;
        continue;
      }
      // NaN counts as infinitely far.
      difference = gap <= difference ? difference : Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap;
      size = Math.max(size, Math.abs(expected[i]!));
    }
    assert.ok(passedOver <= expected.length / 1000, `${passedOver} peaks of '${name}' differ`);
    worst = Math.max(worst, difference / size);
  }
  return worst;
}

function here(bytes: Uint8Array, feeds: Feeds): Record<string, Tensor> {
  const session = new Session(readModel(bytes), wasm);
  try {
    return session.run(feeds);
  } finally {
    session.dispose();
  }
}

export type Check = readonly [name: string, body: () => void | Promise<void>];

/** The checks of every model of a collection. */
export function checksOf({ folder, count, feeds, uncalibrated = /^$/, peaks }: Collection): Check[] {
  const checks: Check[] = [];
  const test = (...check: Check): void => void checks.push(check);
  const dir = join(ROOT, 'node_modules', folder);
  const files = existsSync(dir) ? readdirSync(dir).filter((n) => n.endsWith('.onnx')) : [];
  test(`${folder}: ${count} models`, () => assert.is(files.length, count));
  for (const file of files.sort()) {
    const bytes = new Uint8Array(readFileSync(join(dir, file)));
    test(`${basename(file)}: every operator is there, outputs as in onnxruntime`, async () => {
      const report = inspectModel(bytes, file);
      assert.equal(
        report.operators.filter((o) => !o.supported).map((o) => o.opType),
        [],
      );
      assert.ok(report.weights.length > 0, 'weights that can be quantized');
      for (const sample of [0, 1]) {
        const given = feeds(file, sample);
        const found = distance(here(bytes, given), await runIn('node', bytes, given), peaks);
        assert.ok(found <= 1e-4, `sample ${sample}: ${found}`);
      }
    });
    test(`${basename(file)}: quantized to 6 bits, runs everywhere`, async () => {
      const calibration = uncalibrated.test(file)
        ? undefined
        : await datasetFromSamples(
            [0, 1].map((i) => ({
              name: `sample ${i}`,
              read: () => Promise.resolve(new Map(Object.entries(feeds(file, i)))),
            })),
          );
      const made = await quantize(wasm, bytes, { name: file, bits: 6, calibration });
      assert.ok(made.plan.averageBits <= 6);
      assert.ok(made.bytes.length < bytes.length);
      const given = feeds(file, 2);
      const ours = here(made.bytes, given);
      for (const runtime of RUNTIMES) {
        const found = distance(ours, await runIn(runtime, made.bytes, given), peaks);
        assert.ok(found <= 1e-3, `${runtime}: ${found}`);
      }
      const data = await datasetFromSamples([
        { name: 'one', read: () => Promise.resolve(new Map(Object.entries(given))) },
      ]);
      const compared = await compareModels(wasm, readModel(bytes), readModel(made.bytes), data);
      assert.ok(compared.tensors.length > 0);
      assert.is(wasm.arena.used, 0, 'memory was not freed');
    });
  }
  return checks;
}

/** A picture-like float tensor: smooth waves, edges and noise, in [0, 1) times `scale`. */
export function picture(dims: readonly number[], seed: number, scale = 1): Tensor {
  const next = random(seed + 77);
  const n = sizeOf(dims);
  const [a, b] = [0.01 + 0.1 * next(), 0.001 + 0.01 * next()];
  const data = Float32Array.from({ length: n }, (_, i) => {
    const wave = 0.5 + 0.35 * Math.sin(a * i) * Math.cos(b * i);
    return scale * Math.min(0.999, Math.max(0, (i % 97 < 20 ? 1 - wave : wave) + 0.1 * (next() - 0.5)));
  });
  return tensor('float', dims, data);
}

/** Speech-like sound at 16 kHz: a gliding pitch with formants, and pauses; peaks near `peak`. */
export function speech(n: number, seed: number, peak = 0.5): Float32Array {
  const next = random(seed + 5);
  const noise = normals(n, next, 0.01);
  const pitch = 90 + 120 * next();
  return noise.map((v, i) => {
    const t = i / 16000;
    const voiced = Math.sin(2 * Math.PI * 3 * t + seed) > -0.3 ? 1 : 0.02;
    const phase = 2 * Math.PI * (pitch * t + 12 * Math.sin(4 * t));
    let s = 0;
    for (let h = 1; h <= 12; h++) s += Math.sin(h * phase) / (1 + ((h * pitch - 600) / 300) ** 2);
    return peak * (voiced * 0.4 * s + v);
  });
}
