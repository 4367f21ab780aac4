// What a page or an edge worker loads of the core door: `node scripts/size.mjs [--json]`. Sizes of minified files, in bytes, as they are
// and as gzip -9 makes them: what is loaded at once (models are read, run and written with it), what the first `quantize` loads (the
// whole job), the kernels, and each file that is loaded when something less common is asked for.
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { doors } from './bundle.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function sizes(bytes) {
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
}

function sum(parts) {
  return parts.reduce((a, b) => ({ raw: a.raw + b.raw, gzip: a.gzip + b.gzip }), { raw: 0, gzip: 0 });
}

/** `src/ops/conv.ts` belongs to `src/ops`, a package's file to the package. */
function roomOf(input) {
  const parts = input.split('/');
  const scoped = parts[0] === 'node_modules' && parts[1].startsWith('@');
  return parts.slice(0, scoped ? 3 : 2).join('/');
}

/** Entries by who loads them: the door, its job, and what the job loads when the file is written. */
const STAGES = { core: 'src/core.ts', job: 'src/jobs/quantize.ts', report: 'src/jobs/closing.ts' };

/** Files that are loaded with some, themselves among them. */
function closure(outputs, start) {
  const found = new Set(start);
  for (const file of found)
    for (const { path, kind, external } of outputs[file].imports)
      if (!external && kind === 'import-statement') found.add(path);
  return found;
}

/** Files that are imported, as they are needed, by some. */
function laterOf(outputs, files) {
  return [...files].flatMap((file) =>
    outputs[file].imports.filter((i) => !i.external && i.kind === 'dynamic-import').map((i) => i.path),
  );
}

/**
 * The core door as it is built.
 * @returns `contents`: files of dist/ by name; `stages`: names of the files that each stage loads and none before it; `sizes`
 */
export async function coreDoor() {
  const { outputFiles, metafile } = await doors();
  const { outputs } = metafile;
  const contents = new Map(outputFiles.map(({ path, contents }) => [basename(path), Buffer.from(contents)]));
  const entries = new Map(Object.entries(outputs).map(([file, { entryPoint }]) => [entryPoint, file]));
  // The address of a map is for debuggers, which alone load it.
  const size = (file) => {
    const text = contents.get(basename(file)).toString();
    return sizes(Buffer.from(text.replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n')));
  };
  const seen = new Set();
  const own = (entry) => {
    const files = [...closure(outputs, [entries.get(entry)])].filter((file) => !seen.has(file));
    for (const file of files) seen.add(file);
    return files;
  };
  const stages = Object.fromEntries(Object.entries(STAGES).map(([name, entry]) => [name, own(entry)]));
  const rooms = (files) => {
    const found = {};
    for (const file of files)
      for (const [input, { bytesInOutput }] of Object.entries(outputs[file].inputs))
        found[roomOf(input)] = (found[roomOf(input)] ?? 0) + bytesInOutput;
    return Object.fromEntries(Object.entries(found).sort((a, b) => b[1] - a[1]));
  };
  const part = (files) => ({ ...sum(files.map(size)), files: files.length, rooms: rooms(files) });
  const { core, job, report } = stages;
  const before = new Set([...core, ...job]);
  const later = {};
  const queue = [...core, ...job, ...report];
  for (const path of new Set(laterOf(outputs, queue))) {
    const files = [...closure(outputs, [path])].filter((file) => !before.has(file));
    if (files.length > 0) later[outputs[path].entryPoint] = { ...sum(files.map(size)), files: files.length };
  }
  const kernels = join(root, 'build', 'kernels.wasm');
  return {
    contents,
    stages: Object.fromEntries(Object.entries(stages).map(([name, files]) => [name, files.map((f) => basename(f))])),
    sizes: {
      core: part(core),
      job: part(job),
      kernels: existsSync(kernels) ? sizes(readFileSync(kernels)) : null,
      later: Object.fromEntries(Object.entries(later).sort((a, b) => b[1].gzip - a[1].gzip)),
    },
  };
}

function print({ core, job, kernels, later }) {
  const line = (name, { raw, gzip = '' }) =>
    console.log(`${name.padEnd(40)} ${String(raw).padStart(8)} ${String(gzip).padStart(8)}`);
  line('', { raw: 'bytes', gzip: 'gzip -9' });
  line('loaded at once', core);
  line('loaded by the first quantize', job);
  line('both', sum([core, job]));
  if (kernels) line('kernels.wasm', kernels);
  if (kernels) line('all', sum([core, job, kernels]));
  for (const [title, { rooms }] of Object.entries({ 'at once': core, 'by quantize': job })) {
    console.log(`\n${title}, by room`);
    for (const [room, raw] of Object.entries(rooms)) line(`  ${room}`, { raw });
  }
  console.log('\nloaded when needed, beside these');
  for (const [file, own] of Object.entries(later)) line(`  ${file}`, own);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { sizes: found } = await coreDoor();
  if (process.argv.includes('--json')) console.log(JSON.stringify(found, null, 2));
  else print(found);
}
