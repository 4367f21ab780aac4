// Makes docs/api/ from the doc comments: one page a room of src/, of what the package's doors export. The generator reads the
// sources with a compiler of its own version, so it is a package of its own in this folder, installed when it is first needed.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Exported, exportsOf } from './exports.ts';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(dirname(HERE));

/** Sources of the package's doors: what package.json has types of. */
export function doors(): string[] {
  const text = readFileSync(join(ROOT, 'package.json'), 'utf8');
  const { exports } = JSON.parse(text) as { readonly exports: unknown };
  const types = JSON.stringify(exports).matchAll(/"types":"\.\/dist\/types\/([^"]+)\.d\.ts"/g);
  // the door without surroundings first, so that what all share is counted as its own
  return [...new Set(['src/index.ts', ...[...types].map(([, name]) => `src/${name}.ts`)])];
}

/** Pages, in the order of the index: what stands there. */
const PAGES: Readonly<Record<string, string>> = {
  jobs: 'The whole job and its parts: one function each, plain results out.',
  analyzer: 'CurvatureQuantizationAnalyzer: calibration, curvature and allocation behind one class.',
  allocate: 'From a cost table and a budget to a plan: BitWidthOptimizer, strategies, objectives.',
  quantize: 'From a plan to a model: PrecisionAwareQuantizer, formats, targets.',
  verify: 'What can be said of a quantized model: QuantizationValidator, bounds, stock runtimes.',
  curvature: 'Sensitivity metrics and the curvature of operators, with what registers new ones.',
  grid: 'How codes are chosen on a grid.',
  calibrate: 'Ranges of activations, and inputs drawn where there is no data.',
  tune: 'Training towards the outputs of the original.',
  graph: 'Running a model: Session; its layers; what is done to a graph before.',
  onnx: 'Bytes to Model and back.',
  data: 'Samples for calibration and evaluation: .npz, .npy, protobuf tensors, arrays.',
  report: 'Results as plain data.',
  html: 'Pages of results (`kappa-onnx/report`).',
  wasm: 'The kernels, their memory and threads.',
  common: 'Tensors, errors, progress, the version.',
  node: 'What touches the disk (`kappa-onnx/node`).',
  core: 'The job alone (`kappa-onnx/core`): what a page or a worker loads first is small.',
  browser: 'Loading the kernels in a page.',
  edge: 'Loading the kernels in workerd (Cloudflare Workers).',
  'edge-light': 'Loading the kernels in other edge runtimes.',
};

/** The page of a thing by the file that declares it. */
export function pageOf(file: string): string {
  const [, room, ...rest] = file.replace(/\.ts$/, '').split('/');
  if (room === 'report' && rest[0] === 'html') return 'html';
  if (rest.length > 0 || ['node', 'core', 'browser', 'edge', 'edge-light', 'analyzer'].includes(room!)) return room!;
  return 'common';
}

/** Everything the doors export, by page: each thing once. */
export function exportsByPage(): Map<string, Exported[]> {
  const pages = new Map<string, Exported[]>();
  for (const door of doors()) {
    for (const found of exportsOf(ROOT, door)) {
      const page = pageOf(found.file);
      const before = pages.get(page) ?? [];
      if (!before.some((e) => e.name === found.name)) pages.set(page, [...before, found]);
    }
  }
  return pages;
}

/** What the generator reads: a file a page that exports what is on it. */
function entry(page: string, things: readonly Exported[]): string {
  const lines = things.map(({ name, declared, file, type }) => {
    const as = name === declared ? name : `${declared} as ${name}`;
    return `export ${type ? 'type ' : ''}{ ${as} } from '../../${file}';`;
  });
  return `/**\n * ${PAGES[page] ?? ''}\n * @module ${page}\n */\n${lines.join('\n')}\n`;
}

/** Writes docs/api/. */
export function writePages(): void {
  if (!existsSync(join(HERE, 'node_modules', 'typedoc'))) {
    console.log('installing what makes the pages into scripts/api/node_modules');
    execFileSync('npm', ['ci', '--no-progress', '--ignore-scripts'], {
      cwd: HERE,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  const entries = join(ROOT, 'build', 'api');
  const made = join(ROOT, 'build', 'api-pages');
  for (const folder of [entries, made]) rmSync(folder, { recursive: true, force: true });
  mkdirSync(entries, { recursive: true });
  const pages = exportsByPage();
  const unknown = [...pages.keys()].filter((page) => !(page in PAGES));
  if (unknown.length > 0) throw new Error(`scripts/api/pages.ts: no line for the pages ${unknown.join(', ')}`);
  const names = Object.keys(PAGES).filter((page) => pages.has(page));
  for (const page of names) writeFileSync(join(entries, `${page}.ts`), entry(page, pages.get(page)!));
  const config = { extends: '../../tsconfig.json', compilerOptions: { types: ['node'] }, include: ['*.ts'] };
  writeFileSync(join(entries, 'tsconfig.json'), JSON.stringify(config));
  const args = names.flatMap((page) => ['--entryPoints', join(entries, `${page}.ts`)]);
  execFileSync(
    process.execPath,
    [
      join(HERE, 'node_modules', 'typedoc', 'bin', 'typedoc'),
      ...['--options', join(HERE, 'typedoc.json'), '--tsconfig', join(entries, 'tsconfig.json'), '--out', made],
      ...args,
    ],
    { cwd: HERE, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  writeFileSync(join(made, 'README.md'), index(names, pages));
  const target = join(ROOT, 'docs', 'api');
  rmSync(target, { recursive: true, force: true });
  renameSync(made, target);
}

/** The page that lists the others. */
function index(names: readonly string[], pages: ReadonlyMap<string, readonly Exported[]>): string {
  const lines = names.map((page) => {
    const shown = pages.get(page)!.filter(({ type }) => !type);
    const things = (shown.length > 0 ? shown : pages.get(page)!).map(({ name }) => `\`${name}\``);
    return `- [${page}](${page}.md): ${PAGES[page]}\n  ${things.join(', ')}`;
  });
  return `# Programming interface\n\nMade by \`npm run docs\` from the doc comments. [The guide](../api.md) shows how to begin.\n\n${lines.join('\n')}\n`;
}
