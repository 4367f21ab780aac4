// Makes dist/studio/ out of web/: a page, its workers, the kernels, the embedded demonstrations and onnxruntime-web for the check.
// With --serve [PORT] it serves the folder to this machine. Needs dist/ and build/ as `npm run build` makes them.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { colourless } from './colourless.mjs';
import { usedMessages } from './proto.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, 'dist', 'studio');
const PORT = 8080;

/** Copied as they are: to -> from. */
const COPIES = {
  'index.html': 'web/index.html',
  'style.css': 'web/style.css',
  'kernels.wasm': 'build/kernels.wasm',
  'demo/mnist-mlp.onnx': 'models/mnist-mlp.onnx',
  'demo/mnist-calib.npz': 'models/mnist-calib.npz',
  'demo/transformer-text.onnx': 'models/transformer-text.onnx',
  'demo/text-calib.npz': 'models/text-calib.npz',
  'ort/ort.wasm.min.mjs': 'node_modules/onnxruntime-web/dist/ort.wasm.min.mjs',
  'ort/ort-wasm-simd-threaded.mjs': 'node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.mjs',
  'ort/ort-wasm-simd-threaded.wasm': 'node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm',
};

const common = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
  platform: 'browser',
  external: ['node:*'],
  write: false,
  outdir: 'dist/studio',
};

/** Importing cli-table3 does nothing: a file that makes no table with it does not have it. */
const tables = {
  name: 'tables',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^cli-table3$/ }, async ({ path, kind, resolveDir, pluginData }) => {
      if (pluginData === tables) return undefined;
      const found = await resolve(path, { kind, resolveDir, pluginData: tables });
      return { ...found, sideEffects: false };
    });
  },
};

function write(name, bytes) {
  const file = join(out, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
}

export async function makeStudio() {
  rmSync(out, { recursive: true, force: true });
  const page = await build({ ...common, entryPoints: { studio: 'web/studio.ts' }, plugins: [tables, colourless] });
  const workers = await build({
    ...common,
    entryPoints: { worker: 'web/worker.ts', solve: 'web/solve.ts', draw: 'web/draw.ts', runtime: 'web/runtime.ts' },
    plugins: [tables, colourless, usedMessages],
    splitting: true,
  });
  const hash = createHash('sha256');
  const names = [];
  for (const { path, contents } of [...page.outputFiles, ...workers.outputFiles]) {
    const name = path.slice(out.length + 1);
    write(name, contents);
    names.push(name);
    hash.update(contents);
  }
  for (const [to, from] of Object.entries(COPIES)) {
    const source = join(root, from);
    if (!existsSync(source)) throw new Error(`${from} is missing: run \`npm ci && npm run build\``);
    mkdirSync(dirname(join(out, to)), { recursive: true });
    copyFileSync(source, join(out, to));
    names.push(to);
    hash.update(readFileSync(source));
  }
  const define = { FILES: JSON.stringify(['./', ...names]), VERSION: JSON.stringify(hash.digest('hex').slice(0, 16)) };
  const offline = await build({ ...common, format: 'iife', entryPoints: { offline: 'web/offline.ts' }, define });
  write('offline.js', offline.outputFiles[0].contents);
  return out;
}

const TYPES = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript',
  mjs: 'text/javascript',
  css: 'text/css',
  wasm: 'application/wasm',
};

/** Serves a folder to this machine alone. @returns the server, listening */
export function serveFolder(folder, port = 0) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const name = normalize(decodeURIComponent(pathname.endsWith('/') ? `${pathname}index.html` : pathname));
    const file = join(folder, name);
    if (!file.startsWith(folder + sep) || !existsSync(file)) {
      response.writeHead(404).end('not found');
      return;
    }
    const type = TYPES[file.split('.').at(-1)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache' }).end(readFileSync(file));
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [flag, port = String(PORT)] = process.argv.slice(2);
  if (flag !== undefined && flag !== '--serve') throw new Error(`unknown flag ${flag}: expected --serve [PORT]`);
  await makeStudio();
  if (flag === '--serve') {
    const server = await serveFolder(out, Number(port));
    console.log(`http://127.0.0.1:${server.address().port}/`);
  } else console.log('dist/studio is made');
}
