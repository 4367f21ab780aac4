/** examples/worker in workerd, bundled as `wrangler` bundles: by esbuild, under the conditions of Workers, the kernels a module of its own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startWorkerd, type Workerd } from '../edge/workerd.ts';
import { network, npz, samples } from '../e2e/command.ts';
import { ROOT } from '../helpers.ts';

type Door = typeof import('../../src/node.ts');

const test = suite<{ worker: Workerd }>('examples/worker');
const config = JSON.parse(readFileSync(join(ROOT, 'examples', 'worker', 'wrangler.jsonc'), 'utf8')) as {
  main: string;
  compatibility_date: string;
};

test.before(async (context) => {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [join(ROOT, 'examples', 'worker', config.main)],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['*.wasm'],
    outdir: '/worker',
    write: false,
    metafile: true,
    logLevel: 'error',
  });
  assert.ok('dist/edge.js' in metafile.inputs, Object.keys(metafile.inputs).join());
  const kernels = readFileSync(join(ROOT, 'dist', 'kernels.wasm'));
  const modules = { 'worker.js': outputFiles[0]!.contents, 'kernels.wasm': kernels };
  context.worker = await startWorkerd(modules, config.compatibility_date);
});
test.after(({ worker }) => worker.close());

async function post(worker: Workerd, parts: Readonly<Record<string, string | Uint8Array>>): Promise<Response> {
  const form = new FormData();
  for (const [name, part] of Object.entries(parts))
    form.set(name, typeof part === 'string' ? part : new Blob([part.slice()]));
  return fetch(worker.origin, { method: 'POST', body: form });
}

test('answers with the file that Node makes', async ({ worker }) => {
  const [model, data] = [network(), npz(samples(32))];
  const response = await post(worker, { model, data, bits: '4.5' });
  assert.is(response.status, 200, worker.output());
  const door = (await import(pathToFileURL(join(ROOT, 'dist', 'node.js')).href)) as Door;
  const calibration = door.datasetFromArrays(door.readNpz(data));
  const here = await door.quantize(await door.loadKernels(), model, { bits: 4.5, calibration, samples: 16 });
  assert.ok(Buffer.from(here.bytes).equals(new Uint8Array(await response.arrayBuffer())));
  assert.is(response.headers.get('x-damage'), String(here.report.damage.together));
});

test('says what is wrong with a request, and serves the next', async ({ worker }) => {
  assert.is((await fetch(worker.origin)).status, 405);
  const missing = await post(worker, { bits: '4' });
  assert.is(missing.status, 400);
  assert.is(await missing.text(), "expected a file named 'model'\n");
  const wrong = await post(worker, { model: new Uint8Array([1, 2, 3]), data: npz(samples(8)), bits: '4' });
  assert.is(wrong.status, 400);
  assert.match(await wrong.text(), /^[^\n]*not an ONNX model[^\n]*\n$/);
  const bits = await post(worker, { model: network(), data: npz(samples(8)), bits: 'many' });
  assert.is(bits.status, 400);
});

test.run();
