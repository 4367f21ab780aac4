/** The examples for pages as a person uses them, in Chromium: run by scripts/test-browser.mjs after dist/ is made. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { build } from 'vite';
import { CHROMIUM_FLAGS, chromiumPath } from '../../scripts/chromium.mjs';
import { serveFolder } from '../../scripts/studio.mjs';
import { network, npz, samples } from '../e2e/command.ts';
import { ROOT } from '../helpers.ts';

type Door = typeof import('../../src/node.ts');

const test = suite<{ browser: Browser; expected: Uint8Array }>('browser/examples');
const MODEL = network();
const DATA = npz(samples(64));
const SETTINGS = { bits: 4.5, samples: 64 };

test.before(async (context) => {
  context.browser = await chromium.launch({ executablePath: chromiumPath(), args: CHROMIUM_FLAGS });
  const door = (await import(pathToFileURL(join(ROOT, 'dist', 'node.js')).href)) as Door;
  const calibration = door.datasetFromArrays(door.readNpz(DATA));
  context.expected = (await door.quantize(await door.loadKernels(), MODEL, { ...SETTINGS, calibration })).bytes;
});
test.after(({ browser }) => browser.close());

/** Serves a folder while a page of it is used. What the page logs as an error, and every request that fails, ends in a failure. */
async function opened(
  browser: Browser,
  folder: string,
  path: string,
  use: (page: Page) => Promise<void>,
): Promise<void> {
  const server: Server = await serveFolder(folder);
  const page = await browser.newPage();
  const wrong: string[] = [];
  page.setDefaultTimeout(60_000);
  page.on('console', (message) => {
    const { url } = message.location();
    if (message.type() === 'error' && !url.endsWith('/favicon.ico')) wrong.push(`${url}: ${message.text()}`);
  });
  page.on('pageerror', (error) => wrong.push(String(error)));
  try {
    await page.goto(`http://127.0.0.1:${(server.address() as { port: number }).port}${path}`);
    await use(page);
    assert.equal(wrong, []);
  } finally {
    await page.close();
    server.closeAllConnections();
    server.close();
  }
}

const upload = (name: string, bytes: Uint8Array) => ({
  name,
  mimeType: 'application/octet-stream',
  buffer: Buffer.from(bytes),
});

/** Fills the form, and downloads what the page makes; then a file that is no model. */
async function story(page: Page, expected: Uint8Array): Promise<void> {
  await page.setInputFiles('[name=model]', upload('net.onnx', MODEL));
  await page.setInputFiles('[name=data]', upload('calib.npz', DATA));
  await page.fill('[name=bits]', String(SETTINGS.bits));
  await page.click('button');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('[role=status] a')]);
  assert.is(download.suggestedFilename(), 'small.onnx');
  assert.ok(readFileSync(await download.path()).equals(expected), 'the bytes that Node writes');

  await page.setInputFiles('[name=model]', upload('text.onnx', new TextEncoder().encode('# no model')));
  await page.click('button');
  await page.waitForFunction(() =>
    /not an ONNX model/.test(document.querySelector('[role=status]')!.textContent ?? ''),
  );
}

test('page: no bundler, an import map', async ({ browser, expected }) => {
  await opened(browser, ROOT, '/examples/page/', (page) => story(page, expected));
});

test('vite: built, the work in a worker', async ({ browser, expected }) => {
  const outDir = mkdtempSync(join(tmpdir(), 'kappa-vite-'));
  try {
    await build({ root: join(ROOT, 'examples', 'vite'), logLevel: 'warn', build: { outDir, emptyOutDir: true } });
    await opened(browser, outDir, '/', (page) => story(page, expected));
  } finally {
    rmSync(outDir, { recursive: true, force: true });
  }
});

test.run();
