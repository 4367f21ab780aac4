/** The built edge door in workerd, the engine of Cloudflare's workers: what it writes is what Node writes. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tensor } from '../../src/tensor.ts';
import { network, samples } from '../e2e/command.ts';
import { failure, modelPath, ROOT } from '../helpers.ts';
import { distModules, startWorkerd, type Workerd } from './workerd.ts';

type Door = typeof import('../../src/node.ts');

const test = suite<{ worker: Workerd }>('edge');
const door = (await import(pathToFileURL(join(ROOT, 'dist', 'node.js')).href)) as Door;

const SAMPLES = 16;
const OPTIONS = { bits: 4, samples: SAMPLES, widths: [2, 4, 8] };
const model = new Uint8Array(readFileSync(modelPath('mnist-mlp.onnx')));
const [, images] = [...door.readNpz(new Uint8Array(readFileSync(modelPath('mnist-calib.npz'))))].find(
  ([name]) => name === 'image',
)!;
const first = (count: number) => {
  const [, ...dims] = images.dims;
  const size = dims.reduce((a, b) => a * b, 1);
  const data = images.data.slice(0, count * size) as Float32Array;
  return door.writeNpz(new Map([['image', tensor(images.dtype, [count, ...dims], data)]]));
};

/** The model, its Relus an operator of com.microsoft: few models have those. */
function withActivation(bytes: Uint8Array, operator: string): Uint8Array {
  if (operator === 'Relu') return bytes;
  const read = door.readModel(bytes);
  const nodes = read.graph.nodes.map((node) =>
    node.opType === 'Relu' ? door.makeNode(operator, node.inputs, node.outputs, {}, { domain: 'com.microsoft' }) : node,
  );
  const { wire: _, ...model } = read;
  const { wire: __, ...graph } = read.graph;
  const opsets = new Map([...read.opsets, ['com.microsoft', 1]]);
  return door.writeModel({ ...model, opsets, graph: { ...graph, nodes } });
}

test.before(async (context) => {
  context.worker = await startWorkerd({
    'worker.mjs': readFileSync(join(ROOT, 'test', 'edge', 'worker.mjs'), 'utf8'),
    ...distModules('edge.js'),
  });
});
test.after(({ worker }) => worker.close());

async function post(worker: Workerd, path: string, parts: Readonly<Record<string, unknown>>): Promise<Response> {
  const form = new FormData();
  for (const [name, part] of Object.entries(parts))
    form.set(name, part instanceof Uint8Array ? new Blob([part.slice()]) : JSON.stringify(part));
  const response = await fetch(`${worker.origin}${path}`, { method: 'POST', body: form });
  assert.is(response.status, 200, response.ok ? '' : `${await response.text()}\n${worker.output()}`);
  return response;
}

test('quantizes and runs the MNIST network: bytes and outputs are those of Node', async ({ worker }) => {
  const calibration = first(SAMPLES);
  const response = await post(worker, '/quantize', { model, calibration, options: OPTIONS });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const wasm = await door.loadKernels();
  const data = door.datasetFromArrays(door.readNpz(calibration));
  const here = await door.quantize(wasm, model, { ...OPTIONS, calibration: data });
  assert.ok(Buffer.from(here.bytes).equals(bytes), `${here.bytes.length} bytes here, ${bytes.length} there`);
  assert.ok(bytes.length < model.length / 6, `${bytes.length} bytes`);
  // an isolate has 128 MB: the kernels' memory leaves most of it to everything else
  assert.ok(Number(response.headers.get('x-memory')) <= 32 * 2 ** 20, response.headers.get('x-memory') ?? 'none');

  const input = first(3);
  const ran = await post(worker, '/run', { model: bytes, input });
  const outputs = door.readNpz(new Uint8Array(await ran.arrayBuffer()));
  assert.equal(outputs, await door.runModel(wasm, door.readModel(bytes), door.readNpz(input)));
  assert.equal([...outputs.values()][0]!.dims, [3, 10]);
});

test('writes names of any length as Node does, whose Buffer workerd has in another form', async ({ worker }) => {
  const response = await post(worker, '/named', { model });
  const read = door.readModel(model);
  const { wire: _, ...rest } = read.graph;
  const nodes = rest.nodes.map(({ opType, inputs, outputs, attributes }, i) =>
    door.makeNode(opType, inputs, outputs, attributes, { name: `${'ä'.repeat(50)}${i}` }),
  );
  const { wire: __, ...whole } = read;
  const here = door.writeModel({ ...whole, graph: { ...rest, nodes } });
  assert.ok(Buffer.from(here).equals(new Uint8Array(await response.arrayBuffer())));
});

test('bad input is answered by typed errors, and the worker goes on', async ({ worker }) => {
  const form = new FormData();
  form.set('model', new Blob(['no model']));
  form.set('input', new Blob([first(1).slice()]));
  const refused = await fetch(`${worker.origin}/run`, { method: 'POST', body: form });
  assert.is(refused.status, 500);
  assert.match(await refused.text(), /^ModelError: /);
  assert.is((await fetch(`${worker.origin}/names`)).status, 200);
});

test('the platform compiles nothing from bytes or text, and the door needs neither', async ({ worker }) => {
  const said = (await (await fetch(`${worker.origin}/refused`)).json()) as Record<string, string>;
  assert.match(said.bytes!, /Wasm code generation disallowed|CompileError/);
  assert.match(said.text!, /EvalError|disallowed/);
  assert.match(said.build!, /^UsageError: build relaxed: the kernels given are the plain build$/);
});

test('it has what the other doors have, and one thread', async ({ worker }) => {
  const { names, threads, build } = (await (await fetch(`${worker.origin}/names`)).json()) as {
    names: string[];
    threads: number;
    build: string;
  };
  const neutral = await import(pathToFileURL(join(ROOT, 'dist', 'index.js')).href);
  assert.equal(names, [...Object.keys(neutral), 'loadKernels'].sort());
  assert.is(threads, 1);
  assert.is(build, 'plain');
});

test('a worker that cannot start is an error that says why, and where there is no workerd that is said', async () => {
  const error = await failure(startWorkerd({ 'worker.mjs': "import './missing.mjs';" }));
  assert.match(error.message, /^workerd ended with .*missing\.mjs/s);
  const elsewhere = `Object.defineProperty(process, 'platform', { value: 'sunos' });
    const { workerdPath } = await import('./test/edge/workerd.ts');
    workerdPath().catch((error) => console.log(String(error)));`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', elsewhere],
    { cwd: ROOT },
  );
  assert.match(stdout, /^UnsupportedError: workerd: expected an executable for sunos \w+, found [^\n]+\n$/);
});

test('the core door loads the job and rare operators when they are needed', async () => {
  const worker = await startWorkerd({
    'core-worker.mjs': readFileSync(join(ROOT, 'test', 'edge', 'core-worker.mjs'), 'utf8'),
    ...distModules('core.js'),
  });
  try {
    const options = { bits: 4.5, samples: 16 };
    for (const operator of ['Relu', 'QuickGelu']) {
      const small = withActivation(network(), operator);
      assert.ok(door.inspectModel(small).operators.some(({ opType }) => opType === operator));
      const x = samples(16).get('x')!;
      const form = new FormData();
      form.set('model', new Blob([small.slice()]));
      form.set('x', new Blob([(x.data as Float32Array).slice()]));
      form.set('dims', JSON.stringify(x.dims));
      form.set('options', JSON.stringify(options));
      const response = await fetch(worker.origin, { method: 'POST', body: form });
      assert.is(response.status, 200, response.ok ? '' : `${await response.text()}\n${worker.output()}`);
      const calibration = door.datasetFromArrays(new Map([['x', x]]));
      const here = await door.quantize(await door.loadKernels(), small, { ...options, calibration });
      assert.ok(Buffer.from(here.bytes).equals(new Uint8Array(await response.arrayBuffer())), operator);
    }
  } finally {
    await worker.close();
  }
});

test.run();
