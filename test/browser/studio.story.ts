/** The studio as a person uses it, in Chromium: run by scripts/test-browser.mjs after dist/ is made. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { zipSync } from 'fflate';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { makePlace } from '../e2e/command.ts';
import { modelPath, random } from '../helpers.ts';
import {
  accessible,
  DATA,
  downloaded,
  drop,
  MODEL,
  measure,
  dropPath,
  measured,
  narrow,
  says,
  slide,
  studioSuite,
  type Upload,
  upload,
} from './studio-page.ts';

const test = studioSuite('browser/studio');

test('drop, measure, slide, make, download: the file is the one that the command writes, and runs', async ({
  page,
  context,
}) => {
  await drop(page, MODEL, DATA);
  await says(page, 'inspected', /net\.onnx.*3 weights/);
  await says(page, 'data-said', /calib\.npz/);
  await measure(page);
  await slide(page, 5);
  const bits = Number(await page.textContent('#bits-said'));
  assert.ok(bits > 4 && bits <= 5, `${bits} bits`);
  await page.waitForSelector('#plot svg');
  await accessible(page);
  await page.click('#make');
  await page.waitForSelector('#s-result:not([hidden])');
  await page.click('#compare');
  assert.match(await says(page, 'compared', /onnxruntime-web/), /agrees with Kappa within \d\.\de-[5-9]/);
  await page.waitForSelector('#outputs svg');
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

/** What held the page's own thread for more than 50 ms, in milliseconds, from now on. */
function longTasks(page: Page): Promise<() => Promise<number[]>> {
  return page
    .evaluate(() => {
      const long: number[] = [];
      (globalThis as unknown as { long: number[] }).long = long;
      new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration))).observe({
        type: 'longtask',
        buffered: true,
      });
    })
    .then(() => () => page.evaluate(() => (globalThis as unknown as { long: number[] }).long));
}

/** Everything that the bar says from now on: stages, and times left. */
async function progressOf(page: Page): Promise<() => Promise<{ stages: string[]; left: string[] }>> {
  await page.evaluate(() => {
    const seen = { stages: [] as string[], left: [] as string[] };
    (globalThis as unknown as { seen: typeof seen }).seen = seen;
    for (const [id, list] of [
      ['stage', seen.stages],
      ['left', seen.left],
    ] as const) {
      const at = document.getElementById(id)!;
      new MutationObserver(() => {
        const text = at.textContent ?? '';
        if (!list.includes(text)) list.push(text);
      }).observe(at, { childList: true });
    }
  });
  return () => page.evaluate(() => (globalThis as unknown as { seen: { stages: string[]; left: string[] } }).seen);
}

for (const [name, bytes] of [
  ['mnist', 100_000],
  ['transformer', 1_000_000],
] as const)
  test(`the embedded ${name}: measured, moved through its budgets, made, compared; the page's thread is not held up`, async ({
    page,
  }) => {
    const paint = await page.evaluate(
      () => performance.getEntriesByType('paint').find((e) => e.name === 'first-contentful-paint')!.startTime,
    );
    const long = await longTasks(page);
    const said = await progressOf(page);
    await page.click(`#demo-${name}`);
    await page.waitForSelector('#s-data:not([hidden])');
    await says(page, 'data-said', /\.npz/);
    if (name === 'transformer') await page.fill('#samples', '8');
    await measure(page);
    await page.click('summary');
    const bits: number[] = [];
    const moves: number[] = [];
    for (const value of [2.5, 3, 3.7, 4.4, 6, 7.9]) {
      moves.push(await slide(page, value));
      bits.push(Number(await page.textContent('#bits-said')));
    }
    assert.equal(
      [...bits].sort((a, b) => a - b),
      bits,
    );
    await page.click('#make');
    await page.waitForSelector('#s-result:not([hidden])');
    await page.click('#compare');
    assert.match(await says(page, 'compared', /onnxruntime-web/), /agrees with Kappa within \d\.\de-[4-9]/);
    const file = await downloaded(page, 'save-model');
    await downloaded(page, 'save-report');
    const { stages, left } = await said();
    for (const stage of ['calibrating', 'measuring layers', 'measuring allocations together', 'checking under'])
      assert.ok(
        stages.some((s) => s.startsWith(stage)),
        `${stage}: not among ${stages.join(', ')}`,
      );
    assert.ok(left.every((text) => /^(?:|about \d+ (?:s|min) left of this step)$/.test(text)));
    if (name === 'transformer') assert.ok(left.some((text) => text !== ''));
    assert.ok(file.bytes.length > bytes && file.bytes.length < 4 * bytes, `${file.bytes.length} bytes`);
    console.log(
      [
        `${name}: first paint ${paint.toFixed(0)} ms`,
        await page.textContent('#measured'),
        `slider ${moves.map((m) => m.toFixed(0)).join(', ')} ms`,
        `tasks over 50 ms: ${(await long()).map((m) => m.toFixed(0)).join(', ') || 'none'}`,
      ].join('; '),
    );
  });

/** Grey images with digits' size, seeded, and their names. */
function pictures(count: number): Upload[] {
  const next = random(7);
  return Array.from({ length: count }, (_, i) => {
    const data = Uint8Array.from({ length: 28 * 28 }, () => Math.floor(next() * 256));
    return upload(`${String(i).padStart(2, '0')}.png`, encode({ width: 28, height: 28, data, channels: 1, depth: 8 }));
  });
}

test('images dropped one by one or as an archive are the data, as the command reads them from a folder', async ({
  page,
}) => {
  const model = upload('mnist.onnx', readFileSync(modelPath('mnist-mlp.onnx')));
  const images = pictures(24);
  await drop(page, model, ...images);
  await says(page, 'data-said', /24 images as 28 x 28.*values \/ 255/);
  await accessible(page);
  await page.setViewportSize({ width: 390, height: 800 });
  await narrow(page);
  await page.fill('#image-mean', 'grey');
  await page.press('#image-mean', 'Tab');
  await says(page, 'alert', /mean: expected numbers, found grey/);
  await page.fill('#image-mean', '0.1307');
  await page.press('#image-mean', 'Tab');
  await says(page, 'data-said', /0\.1307/);
  await page.fill('#image-std', '0.3081');
  await measure(page);
  await says(page, 'data-said', /0\.3081/);
  await says(page, 'measured', /19 samples|24 samples/);
  await slide(page, 5);
  await page.click('#make');
  await page.waitForSelector('#s-result:not([hidden])');
  const { bytes } = await downloaded(page, 'save-model');
  await page.click('#compare');
  await says(page, 'compared', /agrees with Kappa/);
  const place = makePlace();
  try {
    place.write('mnist.onnx', model.buffer);
    mkdirSync(join(place.dir, 'images'));
    for (const { name, buffer } of images) place.write(join('images', name), buffer);
    const flags = ['--calib', 'images', '--mean', '0.1307', '--std', '0.3081', '--bits', '5', '-o', 'out.onnx'];
    const made = await place.kappa('quantize', 'mnist.onnx', ...flags);
    assert.is(made.code, 0, made.stderr);
    assert.ok(Buffer.from(bytes).equals(readFileSync(join(place.dir, 'out.onnx'))), 'not the bytes the command writes');
    for (const [i, { name, buffer }] of images.entries()) {
      mkdirSync(join(place.dir, 'classes', `digit ${i % 3}`), { recursive: true });
      place.write(join('classes', `digit ${i % 3}`, name), buffer);
    }
    await dropPath(page, join(place.dir, 'classes'));
    await says(page, 'data-said', /24 images as 28 x 28.*digit 0/);
  } finally {
    place.remove();
  }
  await drop(
    page,
    upload('images.zip', zipSync(Object.fromEntries(images.map((f) => [f.name, new Uint8Array(f.buffer)])))),
  );
  await says(page, 'data-said', /24 images as 28 x 28/);
  await measure(page);
  await drop(page, images[0]!, upload('01.png', 'no image at all'));
  await says(page, 'data-said', /2 images/);
  await page.click('#measure');
  await says(page, 'alert', /01\.png/);
});

test('a pinned layer keeps its width; a plan can be saved and loaded', async ({ page }) => {
  await measured(page);
  await page.click('summary');
  const pin = page.locator('#layers select').first();
  await pin.selectOption('8');
  const width = (text: string) =>
    page.waitForFunction((t) => document.querySelector('#layers tr')?.children[2]?.textContent === t, text);
  await width('8');
  await slide(page, 5);
  await width('8');
  const plan = await downloaded(page, 'save-plan');
  await pin.selectOption('0');
  await slide(page, 3);
  await page.setInputFiles('#plan-file', upload(plan.name, plan.bytes));
  await width('8');
  await page.waitForFunction(() => (document.querySelector('#layers select') as HTMLSelectElement).value === '8');
  await page.setInputFiles('#plan-file', upload('other.json', '{"version":1}'));
  await says(page, 'alert', /plan/);
  await page.setInputFiles('#plan-file', upload('other.json', 'a plan?'));
  await says(page, 'alert', /expected JSON/);
  await width('8');
});

test('without data the weights alone are measured, and the file is opened by onnxruntime-web', async ({ page }) => {
  await page.setInputFiles('#model-file', MODEL);
  await measure(page);
  await says(page, 'predicted', /proxy/);
  await page.click('#make');
  await page.waitForSelector('#s-result:not([hidden])');
  assert.ok(await page.isHidden('#sample'));
  await page.click('#compare');
  await says(page, 'compared', /opens the file/);
});

test('on a phone nothing is wider than the screen, and without a network the page does all it does', async ({
  page,
  context,
}) => {
  await page.setViewportSize({ width: 390, height: 800 });
  await measured(page);
  await page.click('summary');
  await page.waitForSelector('#layers select');
  await narrow(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await context.setOffline(true);
  await page.reload();
  await page.waitForSelector('html[data-ready]');
  await measured(page);
  await page.waitForSelector('#plot svg');
  await page.click('#make');
  await page.waitForSelector('#s-result:not([hidden])');
  await page.click('#compare');
  await says(page, 'compared', /agrees with Kappa/);
  await downloaded(page, 'save-report');
  await narrow(page);
});

test('everything is done with the keyboard alone, and what happens is announced', async ({ page }) => {
  const focus = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent || '');
  const tabTo = async (id: string) => {
    for (let i = 0; i < 40; i++) {
      if ((await focus()) === id) return;
      await page.keyboard.press('Tab');
    }
    assert.unreachable(`Tab does not come to #${id}`);
  };
  const spoken = page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        const at = document.getElementById('spoken')!;
        new MutationObserver(() => resolve(at.textContent ?? '')).observe(at, { childList: true });
      }),
  );
  await tabTo('demo-mnist');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#s-data:not([hidden])');
  await says(page, 'data-said', /\.npz/);
  await page.fill('#samples', '64');
  await tabTo('measure');
  await page.keyboard.press('Enter');
  assert.ok((await spoken).length > 0);
  await page.waitForSelector('#s-budget:not([hidden])');
  assert.is(await focus(), 'h-budget');
  await tabTo('bits');
  const before = await page.inputValue('#bits');
  await page.keyboard.press('ArrowRight');
  assert.ok(Number(await page.inputValue('#bits')) > Number(before));
  await tabTo('make');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#s-result:not([hidden])');
  assert.is(await focus(), 'h-result');
  await tabTo('save-model');
});

test.run();
