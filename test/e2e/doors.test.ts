import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { build } from 'esbuild';
import { ROOT } from '../helpers.ts';
import { network, npz, samples } from './command.ts';

type Door = typeof import('../../src/index.ts');
type NodeDoor = typeof import('../../src/node.ts');
type BrowserDoor = typeof import('../../src/browser.ts');

const dist = (name: string) => join(ROOT, 'dist', name);
if (!existsSync(dist('index.js'))) throw new Error('dist/index.js is missing: run `npm run build` first');
const door = (await import(pathToFileURL(dist('index.js')).href)) as Door;
const nodeDoor = (await import(pathToFileURL(dist('node.js')).href)) as NodeDoor;
const browserDoor = (await import(pathToFileURL(dist('browser.js')).href)) as BrowserDoor;

/** A program as a bundler makes it. */
interface Bundled {
  /** Files of the checkout that it is made of. */
  readonly files: readonly string[];
  /** What is left to be imported when it runs. */
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

/** What a bundler makes of a program, under the conditions that its platform sets. */
async function bundled(source: string, conditions: readonly string[] = []): Promise<Bundled> {
  const { metafile } = await build({
    stdin: { contents: source, resolveDir: ROOT, sourcefile: 'program' },
    absWorkingDir: ROOT,
    bundle: true,
    format: 'esm',
    // no condition but those given
    platform: 'neutral',
    conditions: [...conditions],
    external: ['node:*', '*.wasm', '*.wasm?module'],
    outfile: '/program.js',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const [output] = Object.values(metafile.outputs);
  return {
    files: Object.keys(metafile.inputs).filter((name) => name !== 'program'),
    imports: output!.imports.filter(({ external }) => external).map(({ path }) => path),
    exports: [...output!.exports].sort(),
  };
}

/** Conditions that platforms set, the door that must answer, and the import of the kernels that it leaves. */
const PLATFORMS: readonly { conditions: readonly string[]; door: string; imports?: readonly string[] }[] = [
  { conditions: ['workerd', 'worker', 'browser'], door: 'edge.js', imports: ['./kernels.wasm'] },
  { conditions: ['edge-light', 'worker', 'browser'], door: 'edge-light.js', imports: ['./kernels.wasm?module'] },
  { conditions: ['browser', 'module', 'import'], door: 'browser.js' },
  { conditions: ['import'], door: 'browser.js' },
  { conditions: ['node', 'import'], door: 'node.js' },
];

test('the whole job through the built neutral door: bytes in, bytes out', async () => {
  const wasm = await door.Wasm.create(readFileSync(dist('kernels.wasm')));
  const calibration = door.datasetFromArrays(door.readNpz(npz(samples(64))));
  const model = network();
  const { bytes, plan, report } = await door.quantize(wasm, model, { bits: 4.5, calibration });
  assert.ok(bytes.length < model.length / 2);
  assert.equal(door.parsePlan(JSON.parse(JSON.stringify(plan))), plan);
  assert.is(report.output.bytes, bytes.length);
  assert.is(
    door.inspectModel(bytes).operators.every((o) => o.supported),
    true,
  );
  const outputs = await door.runModel(wasm, door.readModel(bytes), samples(4));
  assert.equal(outputs.get('logits')!.dims, [4, 12]);
});

test('the four classes and the registries', () => {
  for (const name of [
    'CurvatureQuantizationAnalyzer',
    'BitWidthOptimizer',
    'PrecisionAwareQuantizer',
    'QuantizationValidator',
    'registerMetric',
    'registerObjective',
    'registerCurvature',
  ] as const)
    assert.type(door[name], 'function', name);
});

test('the package resolves to the door of each platform, which has all that the neutral one has', async () => {
  const neutral = Object.keys(door);
  for (const { conditions, door: file, imports = [] } of PLATFORMS) {
    const program = await bundled("export * from 'kappa-onnx'", conditions);
    assert.ok(program.files.includes(`dist/${file}`), `${conditions}: ${program.files.join()}`);
    if (file === 'node.js') {
      assert.ok(program.imports.every((path) => path.startsWith('node:')));
      for (const name of [...neutral, 'loadKernels']) assert.ok(program.exports.includes(name), name);
    } else {
      assert.equal(program.imports, imports, `${conditions}`);
      assert.equal(program.exports, [...neutral, 'loadKernels'].sort(), `${conditions}`);
    }
  }
  assert.is(import.meta.resolve('kappa-onnx'), pathToFileURL(dist('node.js')).href);
  for (const [path, file] of [
    ['kappa-onnx/core', 'core.js'],
    ['kappa-onnx/browser', 'browser.js'],
    ['kappa-onnx/edge', 'edge.js'],
    ['kappa-onnx/node', 'node.js'],
    ['kappa-onnx/report', 'report.js'],
    ['kappa-onnx/kernels.wasm', 'kernels.wasm'],
  ] as const)
    assert.is(import.meta.resolve(path), pathToFileURL(dist(file)).href);
});

test('nothing that pages and edge workers load evaluates text or names a module of Node', async () => {
  const text = /(?<![.\w$])(?:eval\s*\(|Function\s*\()|\bnew\s+Function\b|\beval\s*\)\s*\(|["'`]node:[a-z]/;
  for (const sample of [
    'eval("1")',
    'a=Function("return this")()',
    'new Function',
    '(0,eval)("1")',
    'import("node:fs")',
  ])
    assert.match(sample, text);
  for (const sample of ['isFunction(a)', 'x.eval(b)', 'node:fs']) assert.not.match(sample, text);
  for (const file of ['core.js', 'index.js', 'browser.js', 'edge.js', 'edge-light.js']) {
    const { files } = await bundled(`import './dist/${file}'`);
    assert.ok(files.length > 1, file);
    for (const name of files) {
      const found = text.exec(readFileSync(join(ROOT, name), 'utf8'));
      assert.is(found, null, `${name}: ${found?.[0]} at ${found?.index}`);
    }
  }
});

test('classes are the same through every door, and errors keep their names', () => {
  for (const [name, value] of Object.entries(door))
    assert.is((browserDoor as Record<string, unknown>)[name], value, name);
  for (const name of [
    'KappaError',
    'UsageError',
    'ModelError',
    'DataError',
    'UnsupportedError',
    'MemoryError',
  ] as const) {
    const error = Reflect.construct(door[name], ['message', 'message', 1]) as Error;
    assert.is(error.name, name);
    assert.match(String(error), new RegExp(`^${name}: message`));
  }
});

test("Node's door is the neutral one and more, and finds its kernels", async () => {
  for (const [name, value] of Object.entries(door)) assert.is((nodeDoor as Record<string, unknown>)[name], value, name);
  assert.is(typeof (await nodeDoor.loadKernels()).k.gemm, 'function');
  const model = await nodeDoor.readModelFile(join(ROOT, 'models', 'mnist-mlp.onnx'));
  assert.equal(
    model.graph.inputs.map((i) => i.name),
    ['image'],
  );
});

test('from sources, the kernels are the ones built in the checkout', async () => {
  const { loadKernels } = await import('../../src/node.ts');
  assert.is(typeof (await loadKernels()).k.gemm, 'function');
});

test.run();
