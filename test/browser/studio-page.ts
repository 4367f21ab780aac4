/** The studio's page in Chromium, for the stories that drive it: dist/ must be made. */
import { readFileSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { CHROMIUM_FLAGS, chromiumPath } from '../../scripts/chromium.mjs';
import { makeStudio, serveFolder } from '../../scripts/studio.mjs';
import { network, npz, samples } from '../e2e/command.ts';
import { seriousFindings } from './axe.ts';

export interface Story {
  browser: Browser;
  context: BrowserContext;
  page: Page;
  origin: string;
  /** Undefined where it could not start. */
  close?: () => Promise<void>;
}

/** As Playwright takes it in place of a path. */
export interface Upload {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}

const TIMEOUT = 120_000;

export function upload(name: string, bytes: Uint8Array | string): Upload {
  return { name, mimeType: 'application/octet-stream', buffer: Buffer.from(bytes as Uint8Array) };
}

export const MODEL = upload('net.onnx', network());
export const DATA = upload('calib.npz', npz(samples(64)));

/** A suite whose tests each have a page of their own, with what they bring to the browser before it opens. */
export function studioSuite(name: string): Test<Story> {
  const test = suite<Story>(name);
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
  test.after((story) => story.close?.());
  test.before.each(async (story) => {
    story.context = await story.browser.newContext({ viewport: { width: 1000, height: 900 } });
    story.page = await opened(story.context, story.origin);
  });
  test.after.each((story) => story.context.close());
  return test;
}

/** Another page of the studio. */
export async function opened(context: BrowserContext, address: string): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
  await page.goto(address);
  await page.waitForSelector('html[data-ready]');
  return page;
}

/** Waits until the page says something that fits. */
export async function says(page: Page, id: string, pattern: RegExp): Promise<string> {
  const fits = page.waitForFunction(
    ([element, source, flags]) => new RegExp(source!, flags).test(document.getElementById(element!)!.textContent ?? ''),
    [id, pattern.source, pattern.flags],
    { timeout: TIMEOUT / 2 },
  );
  await fits.catch(async () => assert.match((await page.textContent(`#${id}`)) ?? '', pattern));
  return (await page.textContent(`#${id}`)) ?? '';
}

/** Drops files on the page. */
export async function drop(page: Page, ...files: readonly Upload[]): Promise<void> {
  await page.evaluate(
    (list) => {
      const transfer = new DataTransfer();
      for (const [name, base64] of list)
        transfer.items.add(new File([Uint8Array.from(atob(base64!), (c) => c.charCodeAt(0))], name!));
      document.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }));
    },
    files.map((f) => [f.name, f.buffer.toString('base64')]),
  );
}

/** Drops a file or a folder of the disk, as a file manager does. */
export async function dropPath(page: Page, path: string): Promise<void> {
  const debug = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await debug.send('Input.dispatchDragEvent', { type, x: 60, y: 60, data });
  await debug.detach();
}

/** Moves the slider, and waits until the page shows that budget. @returns the milliseconds this took in the page */
export function slide(page: Page, bits: number): Promise<number> {
  return page.evaluate(async (value) => {
    const slider = document.getElementById('bits') as HTMLInputElement;
    const section = document.getElementById('s-budget')!;
    const start = performance.now();
    slider.value = String(value);
    slider.dispatchEvent(new Event('input'));
    while (section.dataset.budget !== slider.value) await new Promise((resolve) => setTimeout(resolve, 1));
    return performance.now() - start;
  }, bits);
}

export async function measured(page: Page): Promise<void> {
  await page.setInputFiles('#data-file', DATA);
  await page.setInputFiles('#model-file', MODEL);
  await measure(page);
}

/** Measures what is open. */
export async function measure(page: Page): Promise<void> {
  await page.click('#measure');
  await page.waitForSelector('#s-work', { state: 'hidden' });
  await page.waitForSelector('#s-budget:not([hidden])');
}

export async function downloaded(page: Page, id: string): Promise<{ name: string; bytes: Uint8Array }> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(`#${id}`)]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

/** No finding of axe-core that is serious. */
export async function accessible(page: Page): Promise<void> {
  assert.equal(await seriousFindings(page), []);
}

/** Nothing is wider than the screen. */
export async function narrow(page: Page): Promise<void> {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${wide} pixels too wide`);
}
