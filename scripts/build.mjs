// Makes build/kernels.wasm, build/kernels-relaxed.wasm and dist/. Flags: --kernels (only the kernels), --no-types (no declarations).
//
// The doors (core, index, node, browser, edge, edge-light, report) share chunks, so that a class has one identity through any of them; but
// for Node's they import nothing else, so that they load in pages and edge workers, where the edge doors import the kernels as a module.
// They are minified, with source maps beside them. dist/cli.js stands alone. The kernels stay a file beside the doors: a module that
// is loaded by URL or imported can be compiled by platforms that forbid compiling bytes.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { doors, missing, programs } from './bundle.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);
/** Builds of the kernels: a target of asconfig.json each, and the file it makes. */
const KERNELS = [
  { target: 'release', file: 'kernels.wasm' },
  { target: 'relaxed', file: 'kernels-relaxed.wasm' },
];
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

class BuildError extends Error {}

function runNode(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new BuildError(`${relative(root, args[0])} ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

/** Writes under another name and renames, so that whoever reads `file` meanwhile sees the old one or the new one, whole. */
function replace(file, bytes) {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, bytes);
  renameSync(temporary, file);
}

/** Hash over everything that decides the kernels' bytes: compiler version, its settings, every source. */
function kernelHash() {
  const hash = createHash('sha256');
  const sources = readdirSync(at('assembly'), { recursive: true }).filter((name) => name.endsWith('.ts'));
  const inputs = ['node_modules/assemblyscript/package.json', 'asconfig.json'];
  for (const file of [...inputs, ...sources.map((name) => join('assembly', name)).sort()])
    hash.update(`${file}\n${sha256(readFileSync(at(file)))}\n`);
  return hash.digest('hex');
}

async function buildKernel({ target, file }, inputs) {
  const out = at('build', file);
  const record = out.replace(/wasm$/, 'hash');
  if (existsSync(out) && existsSync(record)) {
    if (readFileSync(record, 'utf8') === `${inputs} ${sha256(readFileSync(out))}\n`) return false;
  }
  const temporary = join('build', file.replace(/\.wasm$/, `-${process.pid}.wasm`));
  try {
    await runNode([at('node_modules/assemblyscript/bin/asc.js'), '--target', target, '--outFile', temporary]);
    renameSync(at(temporary), out);
  } finally {
    rmSync(at(temporary), { force: true });
  }
  replace(record, `${inputs} ${sha256(readFileSync(out))}\n`);
  return true;
}

async function buildKernels() {
  const inputs = kernelHash();
  const made = await Promise.all(KERNELS.map((kernel) => buildKernel(kernel, inputs)));
  return made.some((built) => built) ? 'built' : 'unchanged';
}

/** The kernels' module as the edge doors import it: each as its platforms want it written. */
const KERNEL_IMPORTS = { 'edge.js': './kernels.wasm', 'edge-light.js': './kernels.wasm?module' };

/** What each output imports at run time: doors nothing but chunks, the edge doors the kernels, Node's programs its own modules at most. */
function checkImports({ outputs }) {
  for (const [file, output] of Object.entries(outputs)) {
    const name = basename(file);
    for (const { path, external } of output.imports) {
      if (!external || path === KERNEL_IMPORTS[name]) continue;
      if (!isBuiltin(path)) throw new BuildError(`${file}: import of '${path}' was not bundled`);
      if (!['cli.js', 'bench.js', 'runtime-child.js', 'node.js'].includes(name))
        throw new BuildError(`${file}: imports '${path}', but must load without Node (see ${users(output)})`);
    }
  }
}

function users(output) {
  return Object.keys(output.inputs)
    .filter((input) => input.startsWith('src/') && /from '(node:|\w+')/.test(readFileSync(at(input), 'utf8')))
    .join(', ');
}

async function bundle() {
  for (const entry of missing()) throw new BuildError(`${entry} is missing`);
  const results = await Promise.all([doors(), programs()]);
  for (const { metafile } of results) checkImports(metafile);
  const files = results.flatMap(({ outputFiles }) => outputFiles);
  for (const { path, contents } of files) replace(path, contents);
  chmodSync(at('dist', 'cli.js'), 0o755);
  for (const { file } of KERNELS) replace(at('dist', file), readFileSync(at('build', file)));
  const made = new Set(files.map(({ path }) => basename(path)));
  for (const name of readdirSync(at('dist')))
    if (/^core-.*\.js(\.map)?$/.test(name) && !made.has(name)) rmSync(at('dist', name), { force: true });
}

async function declarations() {
  rmSync(at('dist', 'types'), { recursive: true, force: true });
  await runNode([at('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']);
}

async function main(flags) {
  const unknown = flags.find((flag) => flag !== '--no-types' && flag !== '--kernels');
  if (unknown) throw new BuildError(`unknown flag ${unknown}: expected --kernels or --no-types`);
  const start = performance.now();
  const kernels = await buildKernels();
  if (!flags.includes('--kernels')) {
    await bundle();
    if (!flags.includes('--no-types')) await declarations();
  }
  console.log(`built in ${((performance.now() - start) / 1000).toFixed(1)} s (kernels ${kernels})`);
}

main(process.argv.slice(2)).catch((error) => {
  // esbuild has printed its own messages by now
  if (error instanceof BuildError || error.errors) console.error(`build: ${error.message}`);
  else console.error(error);
  process.exitCode = 1;
});
