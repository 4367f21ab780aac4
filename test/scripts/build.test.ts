import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeProject, type Project } from './project.ts';

const build = suite<{ project: Project }>('the build');

const SETTINGS = [
  'scripts',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'asconfig.json',
  'assembly/tsconfig.json',
];

const INDEX = `import { onnx } from 'onnx-proto';
import { strToU8 } from 'fflate';
import Table from 'cli-table3';
export { KappaError } from './errors.ts';
export function used(): string {
  const table = new Table();
  table.push([Object.keys(onnx).length > 0 ? 'onnx' : '', strToU8('a').length]);
  return table.toString();
}
`;

const SOURCES = {
  'assembly/index.ts': 'export function add(a: i32, b: i32): i32 {\n  return a + b;\n}\n',
  'src/errors.ts': 'export class KappaError extends Error {}\n',
  'src/core.ts': `export { KappaError } from './errors.ts';\nexport const later = () => import('./jobs/quantize.ts');\n`,
  'src/jobs/quantize.ts': `export { KappaError } from '../errors.ts';\n`,
  'src/index.ts': INDEX,
  'src/node.ts': `import { readFile } from 'node:fs/promises';
export * from './index.ts';
export const kernels = (): Promise<Uint8Array> => readFile(new URL('./kernels.wasm', import.meta.url));
`,
  'src/browser.ts': `export * from './index.ts';
export const kernels = () => fetch(new URL('./kernels.wasm', import.meta.url));
`,
  'src/edge.ts': `import module from './kernels.wasm';
export * from './index.ts';
export const kernels = (): WebAssembly.Module => module;
`,
  'src/edge-light.ts': `import module from './kernels.wasm?module';
export * from './index.ts';
export const kernels = (): WebAssembly.Module => module;
`,
  'src/wasm/modules.d.ts': `declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
declare module '*.wasm?module' {
  const module: WebAssembly.Module;
  export default module;
}
`,
  'src/cli/main.ts': `import { Command } from 'commander';
import cliProgress from 'cli-progress';
import pc from 'picocolors';
import { kernels, used } from '../node.ts';
new Command().name('x').parse();
console.log(used().includes('onnx'), pc.bold('b'), (await kernels()).length, typeof cliProgress.SingleBar);
`,
  'src/report/html/index.ts': `export { used as page } from '../../index.ts';\n`,
  'src/node/runtimes/child.ts': `export { kernels } from '../../node.ts';\n`,
  'bench/speed/index.ts': `export { used as bench } from '../../src/node.ts';\n`,
};

build.before.each((context) => {
  context.project = makeProject(SETTINGS, SOURCES);
});
build.after.each(({ project }) => project.remove());

build('makes doors that share classes, a command, kernels and declarations', async ({ project }) => {
  const { code, stderr } = await project.run('node', ['scripts/build.mjs']);
  assert.is(code, 0, stderr);
  const dist = join(project.root, 'dist');
  const made = [
    'core.js',
    'index.js',
    'node.js',
    'browser.js',
    'edge.js',
    'edge-light.js',
    'cli.js',
    'bench.js',
    'report.js',
    'runtime-child.js',
    'kernels.wasm',
    'kernels-relaxed.wasm',
    'types/index.d.ts',
  ];
  for (const name of ['node', 'browser', 'edge', 'edge-light']) made.push(`types/${name}.d.ts`);
  for (const name of made) assert.ok(existsSync(join(dist, name)), name);
  assert.ok(WebAssembly.validate(readFileSync(join(dist, 'kernels.wasm'))));

  const cli = await project.run(join(dist, 'cli.js'), []);
  assert.is(cli.stderr, '');
  assert.is(cli.stdout, `true b ${statSync(join(dist, 'kernels.wasm')).size} function\n`);

  const use = `import * as a from './dist/index.js'; import * as b from './dist/node.js'; import * as c from './dist/browser.js';
    import * as d from './dist/core.js';
    if (a.KappaError !== d.KappaError || (await d.later()).KappaError !== d.KappaError || a.KappaError !== b.KappaError || a.KappaError !== c.KappaError || !a.used().includes('onnx') || (await b.kernels()).length === 0) throw new Error('doors');`;
  assert.is((await project.run('node', ['--input-type=module', '-e', use])).code, 0);

  // doors but Node's, and what they load, import nothing but each other and the kernels, and no kernel travels as text
  for (const name of readdirSync(dist).filter((file) => /^(core|index|browser|edge.*|core-.*)\.js$/.test(file))) {
    const text = readFileSync(join(dist, name), 'utf8');
    const imports = [...text.matchAll(/(?:^|[;\n])(?:import|export)\b[^'"`;()]*["']([^"'\n]+)["']/g)].map(
      ([, from]) => from!,
    );
    const own = imports.filter((from) => !/^\.\/core-/.test(from));
    assert.equal(own, { 'edge.js': ['./kernels.wasm'], 'edge-light.js': ['./kernels.wasm?module'] }[name] ?? [], name);
    assert.ok(imports.length > own.length || name.startsWith('core-'), name);
    assert.not.match(text, /fromBase64|AGFzbQ/);
    assert.ok(existsSync(join(dist, `${name}.map`)));
  }
});

build('kernels are compiled again only when something they come from has changed', async ({ project }) => {
  const kernels = () => project.run('node', ['scripts/build.mjs', '--kernels']);
  assert.match((await kernels()).stdout, /kernels built/);
  assert.match((await kernels()).stdout, /kernels unchanged/);
  project.write({ 'assembly/index.ts': SOURCES['assembly/index.ts'].replace('a + b', 'a - b') });
  assert.match((await kernels()).stdout, /kernels built/);
  project.write({ 'build/kernels.wasm': 'damaged' });
  assert.match((await kernels()).stdout, /kernels built/);
  assert.ok(!existsSync(join(project.root, 'dist')));
  project.write({ 'assembly/index.ts': 'export function add(a: i32): i32 { return a +; }\n' });
  const broken = await kernels();
  assert.is(broken.code, 1);
  assert.equal(readdirSync(join(project.root, 'build')).sort(), [
    'kernels-relaxed.hash',
    'kernels-relaxed.wasm',
    'kernels.hash',
    'kernels.wasm',
  ]);
});

build('fails on a missing entry, on Node in the neutral door, on types, on unknown flags', async ({ project }) => {
  const fails = async (message: RegExp, ...flags: string[]) => {
    const { code, stdout, stderr } = await project.run('node', ['scripts/build.mjs', ...flags]);
    assert.is(code, 1);
    assert.match(stdout + stderr, message);
  };
  await fails(/unknown flag --fast/, '--fast');
  project.write({
    'src/index.ts': `${INDEX}import { readFileSync } from 'node:fs';\nexport const read = readFileSync;\n`,
  });
  await fails(/must load without Node \(see src\/index\.ts\)/, '--no-types');
  project.write({ 'src/index.ts': `${INDEX}export const wrong: number = 'text';\n` });
  await fails(/TS2322/);
  project.write({ 'src/index.ts': `${INDEX}export * from './missing.ts';\n` });
  await fails(/missing\.ts/, '--no-types');
});

build('a missing entry is named', async () => {
  const { 'src/node.ts': _, ...rest } = SOURCES;
  const project = makeProject(SETTINGS, rest);
  const { code, stderr } = await project.run('node', ['scripts/build.mjs', '--no-types']);
  project.remove();
  assert.is(code, 1);
  assert.match(stderr, /^build: src\/node\.ts is missing$/m);
});

build.run();
