// The browser suite: tests of kernels and pipeline that need nothing of Node, and test/browser/*.browser.ts, each in a page of its
// own in Chromium (CHROMIUM names another executable); then test/browser/*.story.ts, which drive pages from Node. dist/ must be made.
// Arguments are substrings of the paths to run; --timeout SECONDS (per file).
//
// The last line is `N passed, N failed`; the exit code is 0 only if nothing failed. A file counts as failed when its own summary says
// so, but also when it does not load, reports no test or runs past the limit.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { build } from 'esbuild';
import pc from 'picocolors';
import { chromium } from 'playwright-core';
import { CHROMIUM_FLAGS, chromiumPath } from './chromium.mjs';
import { colourless } from './colourless.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Folders whose tests run in pages where they can: nothing of Node, no native package. */
const ROOMS = [
  'assembly',
  'wasm',
  'grid',
  'onnx',
  'data',
  'graph',
  'gradient',
  'calibrate',
  'curvature',
  'allocate',
  'quantize',
];
const PAGES = 2;
const TYPES = { js: 'text/javascript', wasm: 'application/wasm', html: 'text/html; charset=utf-8' };
const PAGE = `<!doctype html><title>Kappa's tests</title><script type="module">
const name = new URLSearchParams(location.search).get('test');
import('/tests/' + name + '.js').catch((error) => console.error('not loaded: ' + (error.stack || error)));
</script>`;

function parse(args) {
  const options = { timeout: 240, filters: [] };
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--timeout') {
      options.timeout = Number(args[++i]);
      if (!(options.timeout > 0)) throw new Error(`--timeout: expected a positive number, got ${args[i]}`);
    } else if (args[i].startsWith('-')) throw new Error(`unknown flag ${args[i]}: expected --timeout SECONDS or paths`);
    else options.filters.push(args[i]);
  }
  return options;
}

function under(folder, end) {
  return readdirSync(join(root, 'test', folder), { recursive: true })
    .filter((name) => name.endsWith(end))
    .map((name) => `${folder}/${name.split(sep).join('/')}`)
    .sort();
}

function candidates() {
  return [...under('browser', '.browser.ts'), 'math.test.ts', ...ROOMS.flatMap((room) => under(room, '.test.ts'))];
}

/** test/helpers.ts as pages have it. */
const helpers = {
  name: 'helpers',
  setup({ onResolve }) {
    onResolve({ filter: /\/helpers\.ts$/ }, ({ importer }) =>
      importer.includes(`${sep}browser${sep}`) ? undefined : { path: join(root, 'test', 'browser', 'helpers.ts') },
    );
  },
};

const settings = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  logLevel: 'error',
  write: false,
  metafile: true,
  external: [...builtinModules, 'node:*', 'onnxruntime-*', 'highs', '/dist/*'],
};

/** Files for the server by path, and the tests that can run, by name. */
async function bundle(files) {
  const { outputFiles, metafile } = await build({
    ...settings,
    entryPoints: files.map((file) => ({ in: `test/${file}`, out: file.replace(/\.ts$/, '') })),
    platform: 'browser',
    splitting: true,
    outdir: '/tests',
    plugins: [colourless, helpers],
  });
  const served = new Map(outputFiles.map(({ path, contents }) => [path.split(sep).join('/'), contents]));
  const outputs = new Map(
    Object.entries(metafile.outputs).map(([path, output]) => [path.replace(/^.*\btests\//, '/tests/'), output]),
  );
  const foreign = (path, seen = new Set()) => {
    if (seen.has(path)) return false;
    seen.add(path);
    return (outputs.get(path)?.imports ?? []).some(({ path: next, external }) =>
      external ? !next.startsWith('/dist/') : foreign(next.replace(/^.*\btests\//, '/tests/'), seen),
    );
  };
  const names = files.map((file) => file.replace(/\.ts$/, ''));
  for (const name of names) if (!outputs.has(`/tests/${name}.js`)) throw new Error(`no bundle of ${name}`);
  // globals of Node, which no import shows
  const global = (name) => /\b(?:Buffer|process)\./.test(readFileSync(join(root, 'test', `${name}.ts`), 'utf8'));
  return { served, names: names.filter((name) => !foreign(`/tests/${name}.js`) && !global(name)) };
}

/** What Node writes for each job of test/browser/jobs.ts, through the same built door: made when it is first asked for. */
async function expectations() {
  const { outputFiles } = await build({
    ...settings,
    entryPoints: ['test/browser/jobs.ts'],
    platform: 'node',
    outdir: '/jobs',
  });
  const folder = mkdtempSync(join(tmpdir(), 'kappa-jobs-'));
  writeFileSync(join(folder, 'jobs.mjs'), outputFiles[0].contents);
  const { JOBS } = await import(pathToFileURL(join(folder, 'jobs.mjs')).href);
  rmSync(folder, { recursive: true });
  const door = await import(pathToFileURL(join(root, 'dist', 'index.js')).href);
  const wasm = await door.Wasm.create(readFileSync(join(root, 'dist', 'kernels.wasm')));
  const read = async (path) => new Uint8Array(readFileSync(join(root, path)));
  const known = new Map();
  return (name) => {
    if (!Object.hasOwn(JOBS, name)) return undefined;
    if (!known.has(name))
      known.set(
        name,
        JOBS[name](door, wasm, read).then((bytes) => createHash('sha256').update(bytes).digest('hex')),
      );
    return known.get(name);
  };
}

/** Serves the page, bundles, kernels, doors and models to this machine alone. Isolated, so that pages have threads. */
async function serve(served, expected) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const send = (status, type, body) => {
      response.writeHead(status, {
        'content-type': type,
        'cache-control': 'no-store',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
      });
      response.end(body);
    };
    try {
      if (pathname === '/') return send(200, TYPES.html, PAGE);
      if (pathname === '/favicon.ico') return send(204, 'image/x-icon');
      if (pathname.startsWith('/expected/')) {
        const hash = await expected(decodeURIComponent(pathname.slice('/expected/'.length)));
        return hash ? send(200, 'text/plain', hash) : send(404, 'text/plain', 'no such job');
      }
      const type = TYPES[pathname.split('.').at(-1)] ?? 'application/octet-stream';
      const own = served.get(pathname);
      if (own) return send(200, type, own);
      const file = join(root, pathname);
      if (/^\/(build|dist|models)\/[\w.-]+$/.test(pathname) && existsSync(file))
        return send(200, type, readFileSync(file));
      send(404, 'text/plain', 'not found');
    } catch (error) {
      send(500, 'text/plain', String(error));
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

/** uvu's closing lines. */
function readSummary(output) {
  const last = [...output.matchAll(/Total: +(\d+)\s+Passed: +(\d+)\s+Skipped: +(\d+)\s+Duration:/g)].at(-1);
  return last && { total: Number(last[1]), passed: Number(last[2]), skipped: Number(last[3]) };
}

async function runFile(browser, origin, name, timeout) {
  const start = performance.now();
  const page = await browser.newPage();
  let output = '';
  let ended;
  const end = new Promise((resolve) => {
    ended = resolve;
  });
  const say = (text) => {
    output = stripVTControlCharacters(`${output}\n${text}`);
    if (readSummary(output)) ended();
  };
  page.on('console', (message) => {
    say(message.text());
    if (/^not loaded: /.test(message.text())) ended('it did not load');
  });
  page.on('pageerror', (error) => {
    say(error.stack ?? String(error));
    ended('an error that nothing caught');
  });
  page.on('crash', () => ended('the page crashed'));
  const timer = setTimeout(() => ended(`ran past ${timeout} s`), timeout * 1000);
  let reason;
  try {
    await page.goto(`${origin}/?test=${encodeURIComponent(name)}`);
    reason = await end;
  } catch (error) {
    reason = String(error);
  } finally {
    clearTimeout(timer);
    await page.close().catch(() => undefined);
  }
  return judged(name, output, reason, start);
}

function judged(name, output, failure, start) {
  const summary = readSummary(output);
  const { total = 0, passed = 0, skipped = 0 } = summary ?? {};
  let reason = failure;
  if (reason === undefined && total + skipped === 0) reason = summary ? 'has no test' : 'reported no test';
  if (reason === undefined && total > passed) reason = `${total - passed} of ${total} failed`;
  const failed = Math.max(total - passed, reason === undefined ? 0 : 1);
  return { name, output, passed, failed, skipped, reason, seconds: (performance.now() - start) / 1000 };
}

/** A story: a program of Node that starts Chromium itself. */
function runStory(name, timeout) {
  const start = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', `test/${name}.ts`], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const kill = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // ended already
      }
    };
    let output = '';
    let reason;
    const keep = (text) => {
      output = stripVTControlCharacters((output + text).slice(-(1 << 20)));
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    const timer = setTimeout(() => {
      reason = `ran past ${timeout} s`;
      kill();
    }, timeout * 1000);
    child.on('exit', (code, signal) => {
      if (code !== 0) reason ??= `ended with ${signal ?? `exit code ${code}`}`;
      // what it left running would hold its pipes open
      kill();
    });
    child.on('close', () => {
      clearTimeout(timer);
      resolve(
        judged(name, output, readSummary(output)?.passed < readSummary(output)?.total ? undefined : reason, start),
      );
    });
  });
}

function report({ name, output, passed, failed, skipped, reason, seconds }) {
  const mark = failed ? pc.red('FAIL') : pc.green('  ok');
  const more = `${failed ? `, ${failed} failed` : ''}${skipped ? `, ${skipped} skipped` : ''}`;
  console.log(`${mark}  ${name}  ${passed} passed${more}  ${pc.dim(`${seconds.toFixed(1)} s`)}`);
  if (failed) console.log(`${pc.red(`      ${reason}`)}\n${output.trim().replace(/^/gm, '      | ')}\n`);
}

async function main(args) {
  const { timeout, filters } = parse(args);
  const executablePath = chromiumPath();
  const files = candidates();
  const { served, names } = await bundle(files);
  const chosen = names.filter((name) => filters.length === 0 || filters.some((part) => name.includes(part)));
  const stories = under('browser', '.story.ts').map((file) => file.replace(/\.ts$/, ''));
  const told = stories.filter((name) => filters.length === 0 || filters.some((part) => name.includes(part)));
  if (chosen.length + told.length === 0) throw new Error(`no test matches ${filters.join(', ')}`);
  console.log(`${chosen.length} files of ${files.length} in pages; ${files.length - names.length} need Node`);
  const { server, origin } = await serve(served, await expectations());
  const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
  const results = [];
  try {
    let next = 0;
    const worker = async () => {
      while (next < chosen.length) {
        const result = await runFile(browser, origin, chosen[next++], timeout);
        results.push(result);
        report(result);
      }
    };
    await Promise.all(Array.from({ length: PAGES }, worker));
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
  for (const name of told) {
    const result = await runStory(name, timeout);
    results.push(result);
    report(result);
  }
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  const bad = results.filter(({ failed }) => failed);
  if (bad.length) console.log(`\nfailed:\n${bad.map(({ name, reason }) => `  ${name}: ${reason}`).join('\n')}`);
  console.log(
    `\n${sum('passed')} passed, ${sum('failed')} failed${sum('skipped') ? `, ${sum('skipped')} skipped` : ''}`,
  );
  process.exitCode = bad.length ? 1 : 0;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`test:browser: ${error.stack ?? error}`);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
});
