import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadKernels as loadInPage } from '../../src/browser.ts';
import { UnsupportedError, UsageError } from '../../src/errors.ts';
import { loadKernels } from '../../src/node.ts';
import { supportsRelaxed } from '../../src/wasm/features.ts';
import { failure, ROOT } from '../helpers.ts';

const test = suite<{ origin: string; close(): void }>('loading the kernels');
const file = (name: string) => join(ROOT, 'build', name);
if (!existsSync(file('kernels.wasm'))) throw new Error('build/kernels.wasm is missing: run `npm run build:wasm` first');
const bytes = new Uint8Array(readFileSync(file('kernels.wasm')));

type Kind = abstract new (...args: never[]) => Error;

async function refused(job: Promise<unknown>, kind: Kind, message: RegExp): Promise<void> {
  const error = await failure(job);
  assert.instance(error, kind, String(error));
  assert.match(error.message, message);
  assert.not.match(error.message, /\n/);
}

/** Answers of a server: the kernels under two types, the page that servers of single-page programs give for all they do not have. */
const ANSWERS: Readonly<Record<string, readonly [number, string, string | Uint8Array]>> = {
  '/kernels.wasm': [200, 'application/wasm', bytes],
  '/kernels.bin': [200, 'application/octet-stream', bytes],
  '/page': [200, 'text/html; charset=utf-8', '<!doctype html>'],
  '/text.wasm': [200, 'application/wasm', 'text'],
};

test.before(async (context) => {
  const server = createServer(({ url }, response) => {
    const [status, type, body] = ANSWERS[url ?? ''] ?? [404, 'text/plain', 'not found'];
    response.writeHead(status, { 'content-type': type }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  context.close = () => {
    server.closeAllConnections();
    server.close();
  };
});
test.after(({ close }) => close());

test('a page has them from an address, an answer, bytes or a module', async ({ origin }) => {
  const module = await WebAssembly.compile(bytes);
  const given = [
    `${origin}/kernels.wasm`,
    new URL(`${origin}/kernels.wasm`),
    `${origin}/kernels.bin`,
    await fetch(`${origin}/kernels.wasm`),
    bytes,
    bytes.buffer,
    module,
  ];
  for (const from of given) {
    const wasm = await loadInPage({ from });
    assert.is(wasm.build, 'plain');
    assert.is(wasm.threads, 1);
  }
});

test('a page is told what there is in the place of the kernels', async ({ origin }) => {
  await refused(
    loadInPage({ from: `${origin}/none` }),
    UsageError,
    /\/none: expected the kernels, found HTTP status 404$/,
  );
  await refused(loadInPage({ from: `${origin}/page` }), UsageError, /\/page: expected the kernels, found a page/);
  await refused(loadInPage({ from: 'http://127.0.0.1:1/kernels.wasm' }), UsageError, /nothing could be fetched from/);
  await refused(loadInPage({ from: `${origin}/text.wasm` }), UsageError, /\/text\.wasm: expected the kernels, found/);
  await refused(loadInPage({ from: 7 as never }), TypeError, /expected the bytes of kernels\.wasm/);
});

test('Node has them from a file, bytes or a module', async () => {
  for (const from of [
    file('kernels.wasm'),
    new URL(`file://${file('kernels.wasm')}`),
    bytes,
    await WebAssembly.compile(bytes),
  ])
    assert.is((await loadKernels({ from })).build, 'plain');
  const threads = await loadKernels({ from: bytes, threads: 2 });
  assert.is(threads.threads, 2);
  threads.dispose();
});

test('a module of another realm will do, which is what edge functions of Next.js have', async () => {
  const module = runInNewContext('new WebAssembly.Module(bytes)', { bytes }) as WebAssembly.Module;
  assert.not.ok(module instanceof WebAssembly.Module);
  const wasm = await loadKernels({ from: module });
  const at = wasm.arena.alloc(16);
  wasm.arena.f32(at, 4).set([3, 1, 2, 0]);
  assert.is(wasm.build, 'plain');
  assert.equal([...wasm.arena.f32(at, 4)], [3, 1, 2, 0]);
  await refused(loadKernels({ from: { [Symbol.toStringTag]: 'Other' } as never }), TypeError, /expected the bytes/);
});

test('another build than asked for is refused', async () => {
  const [kind, message]: [Kind, RegExp] = supportsRelaxed()
    ? [UsageError, /build relaxed: the kernels given are the plain build/]
    : [UnsupportedError, /build relaxed: .*no relaxed SIMD/];
  for (const load of [loadKernels, loadInPage]) await refused(load({ from: bytes, build: 'relaxed' }), kind, message);
});

test.run();
