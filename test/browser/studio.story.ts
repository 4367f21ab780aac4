/** The studio as a person uses it, in Chromium: run by scripts/test-browser.mjs after dist/ and dist/studio/ are made. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CHROMIUM_FLAGS, chromiumPath } from '../../scripts/chromium.mjs';
import { makeStudio, serveFolder } from '../../scripts/studio.mjs';
import { makePlace, network, npz, samples } from '../e2e/command.ts';

interface Story {
  browser: Browser;
  context: BrowserContext;
  page: Page;
  origin: string;
  close(): Promise<void>;
}

const test = suite<Story>('browser/studio');
const TIMEOUT = 120_000;

const MODEL = { name: 'net.onnx', mimeType: 'application/octet-stream', buffer: Buffer.from(network()) };
const DATA = { name: 'calib.npz', mimeType: 'application/octet-stream', buffer: Buffer.from(npz(samples(64))) };

test.before(async (story) => {
  const server = await serveFolder(await makeStudio());
  story.origin = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
  story.browser = await chromium.launch({ executablePath: chromiumPath(), args: CHROMIUM_FLAGS });
  story.close = async () => {
    await story.browser.close();
    server.closeAllConnections();
    server.close();
  };
});
test.after((story) => story.close());

test.before.each(async (story) => {
  story.context = await story.browser.newContext({ viewport: { width: 1000, height: 900 } });
  story.page = await story.context.newPage();
  story.page.setDefaultTimeout(TIMEOUT);
  await story.page.goto(story.origin);
  await story.page.waitForSelector('html[data-ready]');
});
test.after.each((story) => story.context.close());

const alertOf = (page: Page) => page.textContent('#alert');

/** Waits until the page says something that fits. */
async function says(page: Page, id: string, pattern: RegExp): Promise<string> {
  await page.waitForFunction(
    ([element, source]) => new RegExp(source!).test(document.getElementById(element!)!.textContent ?? ''),
    [id, pattern.source],
  );
  return (await page.textContent(`#${id}`)) ?? '';
}

async function slide(page: Page, bits: number): Promise<void> {
  await page.evaluate((value) => {
    const slider = document.getElementById('bits') as HTMLInputElement;
    slider.value = String(value);
    slider.dispatchEvent(new Event('input'));
  }, bits);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}

async function measured(page: Page): Promise<void> {
  await page.setInputFiles('#data-file', DATA);
  await page.setInputFiles('#model-file', MODEL);
  await page.click('#measure');
  await page.waitForSelector('#s-budget:not([hidden])');
}

async function downloaded(page: Page, id: string): Promise<{ name: string; bytes: Uint8Array }> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(`#${id}`)]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

async function accessible(page: Page): Promise<void> {
  const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  // A page that lets no script in but its own takes this one from the debugger.
  await page.evaluate(source);
  const found = await page.evaluate(async () => {
    const { violations } = await (
      globalThis as unknown as {
        axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
      }
    ).axe.run();
    return violations
      .filter((v) => v.impact === 'serious' || v.impact === 'critical')
      .map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`);
  });
  assert.equal(found, []);
}

test('drop, measure, slide, make, download: the file is the one that the command writes, and runs', async ({
  page,
  context,
}) => {
  await page.evaluate(
    ([model, data]) => {
      const transfer = new DataTransfer();
      for (const [name, base64] of [model!, data!])
        transfer.items.add(new File([Uint8Array.from(atob(base64!), (c) => c.charCodeAt(0))], name!));
      document.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }));
    },
    [MODEL, DATA].map((f) => [f.name, f.buffer.toString('base64')]),
  );
  await says(page, 'inspected', /net\.onnx.*3 weights/);
  await says(page, 'data-said', /calib\.npz/);
  await page.click('#measure');
  await page.waitForSelector('#s-budget:not([hidden])');
  await slide(page, 5);
  const bits = Number(await page.textContent('#bits-said'));
  assert.ok(bits > 4 && bits <= 5, `${bits} bits`);
  await accessible(page);
  await page.click('#make');
  await page.waitForSelector('#s-result:not([hidden])');
  await page.click('#compare');
  assert.match(await says(page, 'compared', /onnxruntime-web/), /agrees with Kappa within \d\.\de-[5-9]/);
  await accessible(page);
  const file = await downloaded(page, 'save-model');
  const report = await downloaded(page, 'save-report');
  const place = makePlace();
  try {
    place.write('net.onnx', MODEL.buffer);
    place.write('calib.npz', DATA.buffer);
    const made = await place.kappa('quantize', 'net.onnx', '--calib', 'calib.npz', '--bits', '5', '-o', 'out.onnx');
    assert.is(made.code, 0, made.stderr);
    assert.ok(
      Buffer.from(file.bytes).equals(readFileSync(join(place.dir, 'out.onnx'))),
      'not the bytes the command writes',
    );
  } finally {
    place.remove();
  }
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(file.bytes);
  assert.is(session.outputNames.length, 1);
  await session.release();
  const html = new TextDecoder().decode(report.bytes);
  assert.match(html, /^<!doctype html>/);
  const sheet = await context.newPage();
  await sheet.setContent(html);
  await accessible(sheet);
});

test('every move of the slider takes less than a frame or three, and work does not hold the page up', async ({
  page,
}) => {
  await page.evaluate(() => {
    const long: number[] = [];
    (globalThis as unknown as { long: number[] }).long = long;
    new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration))).observe({
      type: 'longtask',
    });
  });
  await page.click('#demo');
  await page.waitForSelector('#s-data:not([hidden])');
  await page.click('#measure');
  await page.waitForSelector('#s-work:not([hidden])');
  await page.waitForSelector('#s-budget:not([hidden])');
  const moves: number[] = [];
  for (const bits of [2.5, 3, 3.7, 4.4, 6, 7.9]) {
    await slide(page, bits);
    moves.push(Number(await page.textContent('#bits-said')));
  }
  assert.equal(
    [...moves].sort((a, b) => a - b),
    moves,
  );
  const long = await page.evaluate(() => (globalThis as unknown as { long: number[] }).long);
  console.log(`longest task of the page: ${Math.max(0, ...long).toFixed(0)} ms`);
});

test('a pinned layer keeps its width; a plan can be saved and loaded', async ({ page }) => {
  await measured(page);
  await page.click('summary');
  const pin = page.locator('#layers select').first();
  await pin.selectOption('8');
  await slide(page, 5);
  const width = () => page.locator('#layers tr').first().locator('td').nth(1).textContent();
  assert.is(await width(), '8');
  const plan = await downloaded(page, 'save-plan');
  await pin.selectOption('0');
  await slide(page, 3);
  await page.setInputFiles('#plan-file', { ...DATA, name: plan.name, buffer: Buffer.from(plan.bytes) });
  assert.is(await width(), '8');
  await page.setInputFiles('#plan-file', { ...DATA, name: 'other.json', buffer: Buffer.from('{"version":1}') });
  assert.match((await says(page, 'alert', /plan/)) ?? '', /plan/);
});

test('what is no model, data that does not fit, and nonsense are said, and the page goes on', async ({ page }) => {
  await page.setInputFiles('#model-file', { ...MODEL, name: 'photo.jpg', buffer: Buffer.from('not a model at all') });
  assert.match(await says(page, 'alert', /./), /photo\.jpg/);
  await page.setInputFiles('#model-file', MODEL);
  await page.waitForSelector('#s-data:not([hidden])');
  await page.setInputFiles('#data-file', { ...DATA, buffer: Buffer.from(npz(samples(8, 7))) });
  await page.click('#measure');
  assert.match(await says(page, 'alert', /./), /input/);
  await page.fill('#samples', '0');
  await page.click('#measure');
  assert.match(await says(page, 'alert', /samples/), /at least 1/);
  await page.fill('#samples', '');
  await measured(page);
  assert.is(await alertOf(page), '');
});

test('work can be cancelled; a second drop during work changes nothing', async ({ page }) => {
  await page.click('#demo');
  await page.waitForSelector('#s-data:not([hidden])');
  await page.fill('#samples', '');
  await page.click('#measure');
  await page.waitForSelector('#s-work:not([hidden])');
  await page.evaluate(() =>
    document.dispatchEvent(new DragEvent('drop', { dataTransfer: new DataTransfer(), cancelable: true })),
  );
  await says(page, 'alert', /cancel it before/);
  await page.click('#cancel');
  await page.waitForSelector('#s-work', { state: 'hidden' });
  assert.ok(await page.isHidden('#s-budget'));
  await measured(page);
});

test('on a phone nothing is wider than the screen, and without a network the page loads again', async ({
  page,
  context,
}) => {
  await page.setViewportSize({ width: 390, height: 800 });
  await measured(page);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${wide} pixels too wide`);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await context.setOffline(true);
  await page.reload();
  await page.waitForSelector('html[data-ready]');
  await measured(page);
});

test.run();
