// The bundles that dist/ is made of: what goes into them, and how.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { minifySync } from 'vite';
import { colourless } from './colourless.mjs';
import { usedMessages } from './proto.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);

/** Modules for users, by the name of their file in dist/. */
export const DOORS = {
  core: 'src/core.ts',
  index: 'src/index.ts',
  node: 'src/node.ts',
  browser: 'src/browser.ts',
  edge: 'src/edge.ts',
  'edge-light': 'src/edge-light.ts',
  report: 'src/report/html/index.ts',
};

export const PROGRAMS = {
  cli: 'src/cli/main.ts',
  bench: 'bench/speed/index.ts',
  'runtime-child': 'src/node/runtimes/child.ts',
};

/** `require` of a built-in module inside a CommonJS package becomes a static import, which an ES module can have. */
const builtins = {
  name: 'builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, kind, namespace }) => {
      if (kind !== 'require-call' || !isBuiltin(path)) return undefined;
      return { path, namespace: namespace === 'builtin' ? 'builtin-import' : 'builtin' };
    });
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require('${path}').default`,
    }));
    onLoad({ filter: /./, namespace: 'builtin-import' }, ({ path }) => ({
      contents: `export { default } from '${path}'`,
    }));
  },
};

/** Files that some file in src/ imports when it needs them. */
function loadedLater() {
  const sources = readdirSync(at('src'), { recursive: true }).filter((name) => name.endsWith('.ts'));
  return new Set(
    sources.flatMap((name) =>
      [...readFileSync(at('src', name), 'utf8').matchAll(/\bimport\('(\.[^']+)'\)/g)].map(([, path]) =>
        join(dirname(at('src', name)), path),
      ),
    ),
  );
}

/** The whole job, which most of what is loaded later is loaded by; these are loaded by the core door itself. */
const JOB = 'src/jobs/quantize.ts';
const BY_CORE = [JOB, 'src/data/npz.ts', 'src/ops/rare.ts', 'src/wasm/threads.ts'];

/**
 * esbuild makes a chunk of the files that the same entries reach, and every file loaded later is an entry. Whoever loads one has loaded
 * the core, or the job: said here, so that each of these stays in one chunk.
 */
const whole = {
  name: 'whole',
  setup({ onLoad }) {
    const later = loadedLater();
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      if (!later.has(path)) return undefined;
      const before = BY_CORE.some((file) => at(file) === path) ? DOORS.core : JOB;
      return { contents: `import ${JSON.stringify(at(before))};\n${readFileSync(path, 'utf8')}`, loader: 'ts' };
    });
  },
};

const common = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'eof',
  logLevel: 'warning',
  metafile: true,
  write: false,
};

/** Names once more, by a minifier that repeats them more often: gzip makes a twentieth less of it than of what esbuild leaves. */
function renamed(result) {
  const maps = new Map(result.outputFiles.map((file) => [file.path, file]));
  const made = new Map();
  const replaced = (file, text) => made.set(file.path, { ...file, text, contents: Buffer.from(text) });
  for (const file of result.outputFiles) {
    const map = maps.get(`${file.path}.map`);
    if (map === undefined) continue;
    const found = minifySync(file.path, file.text, {
      module: true,
      sourcemap: true,
      inputMap: JSON.parse(map.text),
      codegen: { legalComments: 'eof' },
    });
    if (found.errors.length > 0) throw new Error(`${file.path}: ${found.errors[0].message}`);
    replaced(file, `${found.code}\n//# sourceMappingURL=${basename(map.path)}\n`);
    replaced(map, JSON.stringify(found.map));
  }
  return { ...result, outputFiles: result.outputFiles.map((file) => made.get(file.path) ?? file) };
}

/** esbuild's result for the doors, whose chunks they share. */
export async function doors() {
  const result = await build({
    ...common,
    entryPoints: DOORS,
    platform: 'browser',
    minify: true,
    sourcemap: 'linked',
    splitting: true,
    chunkNames: 'core-[hash]',
    external: ['node:*', '*.wasm', '*.wasm?module'],
    outdir: 'dist',
    plugins: [colourless, usedMessages, whole],
  });
  return renamed(result);
}

/** The command, the benchmark that it loads when asked for, and the program that runs stock runtimes in a process of its own. */
export function programs() {
  return build({
    ...common,
    entryPoints: PROGRAMS,
    platform: 'node',
    banner: { js: '#!/usr/bin/env node' },
    outdir: 'dist',
    plugins: [builtins, colourless, usedMessages],
  });
}

/** Sources of bundles that are missing. */
export function missing() {
  return Object.values({ ...DOORS, ...PROGRAMS }).filter((entry) => !existsSync(at(entry)));
}
