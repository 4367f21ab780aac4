/** Files for `--target webgpu` on WebGPU: onnxruntime-web's own backend for it, on a graphics card drawn in software, beside Kappa's executor. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { chromium } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CHROMIUM_FLAGS, chromiumPath } from '../../scripts/chromium.mjs';
import { serveFolder } from '../../scripts/studio.mjs';
import {
  type Dataset,
  datasetFromArrays,
  quantize,
  readModel,
  readNpz,
  Session,
  type Tensor,
  tensor,
} from '../../src/index.ts';
import { HARDWARE_WIDTHS } from '../../src/allocate/problem.ts';
import { loadWasm, modelPath } from '../helpers.ts';

const FLAGS = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'];

const server = await serveFolder(dirname(createRequire(import.meta.url).resolve('onnxruntime-web')));
const browser = await chromium.launch({
  executablePath: chromiumPath(),
  args: [...CHROMIUM_FLAGS.filter((f) => f !== '--disable-gpu'), ...FLAGS],
});
const page = await browser.newPage();
page.setDefaultTimeout(200_000);
await page.goto(`http://127.0.0.1:${(server.address() as { port: number }).port}/`);

/** What is used of WebGPU here. */
interface Gpu {
  requestAdapter(): Promise<{ readonly info: { readonly vendor: string; readonly architecture: string } } | null>;
}

const adapter = await page.evaluate(async () => {
  const { gpu } = navigator as unknown as { gpu?: Gpu };
  const found = await gpu?.requestAdapter();
  return found ? `${found.info.vendor} ${found.info.architecture}` : undefined;
});
console.log(adapter ? `WebGPU: ${adapter}` : 'WebGPU: Chromium gives no adapter here, so nothing is run on it');

const test = suite('browser/webgpu');
const run = adapter ? test : test.skip;
test.after(async () => {
  await browser.close();
  server.closeAllConnections();
  server.close();
});

const plain = (of: Readonly<Record<string, Tensor>>) =>
  Object.entries(of).map(([name, { dtype, dims, data }]) => ({
    name,
    dtype: dtype === 'float' ? 'float32' : dtype,
    dims: [...dims],
    values: Array.from(data as ArrayLike<number | bigint>, String),
  }));

/** Runs a file on the WebGPU backend. @returns the values of its outputs */
function onGpu(file: Uint8Array, feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, number[]>> {
  return page.evaluate(
    async ([base64, inputs]) => {
      interface Runtime {
        env: { logLevel: string; wasm: { numThreads: number; wasmPaths: string } };
        Tensor: new (type: string, data: unknown, dims: number[]) => unknown;
        InferenceSession: {
          create(
            bytes: Uint8Array,
            options: object,
          ): Promise<{
            run(feeds: object): Promise<Record<string, { getData(): Promise<ArrayLike<number>> }>>;
            release(): Promise<void>;
          }>;
        };
      }
      const ort = (await import('/ort.webgpu.min.mjs' as string)) as Runtime;
      Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: '/' });
      ort.env.logLevel = 'error';
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const session = await ort.InferenceSession.create(bytes, { executionProviders: ['webgpu'] });
      const own = inputs.map(({ name, dtype, dims, values }) => {
        const data = dtype === 'int64' ? BigInt64Array.from(values, BigInt) : Float32Array.from(values, Number);
        return [name, new ort.Tensor(dtype, data, dims)];
      });
      const outputs = await session.run(Object.fromEntries(own));
      const found: Record<string, number[]> = {};
      for (const [name, value] of Object.entries(outputs)) found[name] = Array.from(await value.getData());
      await session.release();
      return found;
    },
    [Buffer.from(file).toString('base64'), plain(feeds)] as const,
  );
}

async function firstOf(data: Dataset): Promise<Readonly<Record<string, Tensor>>> {
  for await (const { feeds } of data.batches(1, { limit: 1 })) return feeds;
  throw new Error('no sample');
}

/** Tokens of a text that are run: a card in software takes long. */
const TOKENS = 16;

interface Case {
  readonly name: string;
  readonly data: string;
  readonly bits: number;
  readonly widths?: readonly number[];
  /** A weight that is to have 16 bits. */
  readonly wide?: string;
  readonly rest?: 'fp16';
  /** Calibration samples, where rows are to have widths of their own. */
  readonly samples?: number;
  /** Formats that some layers must have. */
  readonly formats: readonly string[];
}

const MLP = { name: 'mnist-mlp', data: 'mnist-calib' };
const RESNET = { name: 'resnet18-fashion', data: 'fashion-calib' };
const TEXT = { name: 'transformer-text', data: 'text-calib' };

const CASES: readonly Case[] = [
  { ...MLP, bits: 4.1, widths: [3, 4, 8, 16], wide: '4.weight', samples: 64, formats: ['dense', 'dense-bytes'] },
  { ...MLP, bits: 9, widths: HARDWARE_WIDTHS, wide: '2.weight', formats: ['nbits', 'dense-bytes'] },
  { ...TEXT, bits: 8.6, widths: HARDWARE_WIDTHS, formats: ['dense-bytes', 'nbits'] },
  { ...TEXT, bits: 4.9, rest: 'fp16', formats: ['dense', 'nbits'] },
  { ...RESNET, bits: 4.1, formats: ['dense'] },
];

for (const { name, data, bits, widths, wide, rest, samples, formats } of CASES) {
  const title = `${name} at ${bits} bits${rest ? `, the rest in ${rest}` : ''}`;
  run(`${title}: WebGPU and Kappa agree`, async () => {
    const wasm = await loadWasm();
    const calibration = datasetFromArrays(readNpz(readFileSync(modelPath(`${data}.npz`))));
    const fitted = samples === undefined ? {} : { calibration, samples, unit: 'rows' as const };
    const pins = wide === undefined ? undefined : new Map([[wide, 16]]);
    const settings = { name, bits, target: 'webgpu', widths, pins, rest, ...fitted } as const;
    const { bytes, report } = await quantize(wasm, readFileSync(modelPath(`${name}.onnx`)), settings);
    const found = new Set(report.layers.map((l) => l.format));
    for (const format of formats) assert.ok(found.has(format), format);
    const model = readModel(bytes, name);
    const has = (opType: string) => model.graph.nodes.some((n) => n.opType === opType);
    assert.is(has('MatMulNBits'), found.has('nbits'));
    if (samples !== undefined) assert.ok(has('TopK'), 'rows of different widths');
    const feeds = Object.fromEntries(
      Object.entries(await firstOf(calibration)).map(([key, t]) => {
        const short = t.dtype === 'int64' ? (t.data as BigInt64Array).slice(0, TOKENS) : undefined;
        return [key, short ? tensor('int64', [1, TOKENS], short) : t];
      }),
    );
    const session = new Session(model, wasm);
    try {
      const expected = session.run(feeds);
      const onCard = await onGpu(bytes, feeds);
      for (const [output, t] of Object.entries(expected)) {
        const values = t.data as Float32Array;
        assert.is(onCard[output]?.length, values.length);
        const largest = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
        const apart = values.reduce((m, v, i) => Math.max(m, Math.abs(v - onCard[output]![i]!)), 0);
        assert.ok(apart <= 1e-4 * largest, `${output}: ${apart} apart, the largest value is ${largest}`);
        console.log(
          Math.round(performance.now()),
          `${title} on WebGPU: ${(apart / largest).toExponential(1)} of the largest ${output}`,
        );
      }
    } finally {
      session.dispose();
    }
  });
}

test.run();
