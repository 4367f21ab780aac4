/** What goes wrong in the studio: each says what to do, and the page goes on. */
import type { BrowserContext, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { network, npz, samples } from '../e2e/command.ts';
import { tensor } from '../../src/tensor.ts';
import {
  accessible,
  DATA,
  downloaded,
  drop,
  MODEL,
  measure,
  measured,
  narrow,
  opened,
  says,
  studioSuite,
  upload,
} from './studio-page.ts';

const test = studioSuite('browser/studio-errors');

const alertOf = (page: Page) => page.textContent('#alert');

test('files that are no model, damaged ones and too many at once are refused, and what was open stays open', async ({
  page,
}) => {
  await measured(page);
  for (const [files, expected] of [
    [[upload('photo.onnx', 'not a model at all')], /photo\.onnx.*\n.*ONNX/],
    [[upload('empty.onnx', '')], /empty\.onnx/],
    [[upload('net.pt', new Uint8Array([0x80, 2, 0x7d]))], /net\.pt.*pickle.*\n/],
    [[upload('cut.onnx', MODEL.buffer.subarray(0, 2000))], /cut\.onnx/],
    [[MODEL, upload('other.onnx', MODEL.buffer)], /expected one model, found net\.onnx, other\.onnx/],
    [[DATA, upload('more.npz', DATA.buffer)], /expected one \.npz/],
  ] as const) {
    await drop(page, ...files);
    await says(page, 'alert', expected);
  }
  await accessible(page);
  await page.click('#make');
  await page.waitForSelector('#s-result:not([hidden])');
  assert.is(await alertOf(page), '');
});

test('operators that are not there are named with their nodes; without data the file is made all the same', async ({
  page,
}) => {
  await drop(page, upload('odd.onnx', network([24, 48, 12], 1, 'Frobnicate')), DATA);
  const said = await says(page, 'inspected', /Frobnicate/);
  assert.match(said, /Frobnicate at node "[^"]+": no such operator/);
  assert.match(said, /widths can follow the weights alone/);
  assert.ok(await page.isDisabled('#data-file'));
  await accessible(page);
  await measure(page);
  await says(page, 'predicted', /proxy/);
  await page.click('#make');
  await page.waitForSelector('#s-result:not([hidden])');
  await downloaded(page, 'save-model');
  await measured(page);
  await says(page, 'predicted', /KL/);
});

test('data that does not fit is refused with names, shapes, what was expected and what was found', async ({ page }) => {
  await page.setInputFiles('#model-file', MODEL);
  await page.waitForSelector('#s-data:not([hidden])');
  const x = (count: number, width: number) => tensor('float', [count, width], new Float32Array(count * width));
  const holed = x(8, 24);
  (holed.data as Float32Array)[30] = Number.NaN;
  for (const [bytes, expected] of [
    [npz(samples(8, 7)), /'?x'?.*24.*7/],
    [npz([['y', x(8, 24)]]), /input '?x'?.*there are: '?y'?/],
    [
      npz([
        ['x', x(8, 24)],
        ['z', x(8, 24)],
      ]),
      /'?z'? is no input of the model/,
    ],
    [
      npz([
        ['x', x(8, 24)],
        ['labels', tensor('int64', [5], new BigInt64Array(5))],
      ]),
      /8 samples but '?labels'? has 5/,
    ],
    [npz([['x', tensor('int32', [8, 24], new Int32Array(192))]]), /'?x'? is int32 \[8, 24\], expected float/],
    [npz([['x', holed]]), /NaN in sample 1/],
    [Buffer.from('no archive'), /not an \.npz archive/],
    [DATA.buffer.subarray(0, 900), /calib\.npz/],
  ] as const) {
    await page.setInputFiles('#data-file', upload('calib.npz', bytes));
    await page.click('#measure');
    await says(page, 'alert', expected);
    assert.match((await alertOf(page))!, /\nBring one array for each input/);
  }
  await page.setInputFiles('#data-file', DATA);
  for (const wrong of ['0', '-3', '2.5']) {
    await page.fill('#samples', wrong);
    await page.click('#measure');
    await says(page, 'alert', /samples: expected a whole number of at least 1/);
  }
  await page.fill('#samples', '');
  await measure(page);
  assert.is(await alertOf(page), '');
});

/** Starts work that takes some seconds: the embedded MNIST network on many samples. */
async function working(page: Page, count = '4096', stage = /./): Promise<void> {
  await page.click('#demo-mnist');
  await says(page, 'data-said', /mnist/);
  await page.fill('#samples', count);
  await page.click('#measure');
  await says(page, 'stage', stage);
}

test('a second drop during work is refused and changes nothing; work can be cancelled', async ({ page }) => {
  await working(page);
  await drop(page, MODEL, DATA);
  await says(page, 'alert', /Work is running: wait for it or cancel it/);
  await accessible(page);
  assert.match((await page.textContent('#inspected'))!, /mnist/);
  assert.match((await page.textContent('#data-said'))!, /mnist/);
  await page.click('#cancel');
  await page.waitForSelector('#s-work', { state: 'hidden' });
  assert.ok(await page.isHidden('#s-budget'));
  assert.is(await page.evaluate(() => document.activeElement?.id), 'measure');
  await measured(page);
});

test('making a file can be cancelled: what was measured stays, and the file is made when asked again', async ({
  page,
}) => {
  await working(page, '256');
  await page.waitForSelector('#s-budget:not([hidden])');
  await page.click('#make');
  await says(page, 'stage', /measuring|errors|gradients/);
  await page.click('#cancel');
  await page.waitForSelector('#s-work', { state: 'hidden' });
  assert.ok(await page.isHidden('#s-result'));
  assert.is(await alertOf(page), '');
  await page.click('#make');
  await page.waitForSelector('#s-result:not([hidden])');
  await page.waitForSelector('#s-work', { state: 'hidden' });
});

test('measuring that was cancelled goes on where it was, and comes to the same', async ({ page, context, origin }) => {
  const plan = async (of: Page) => {
    await of.waitForSelector('#s-budget:not([hidden])');
    return Buffer.from((await downloaded(of, 'save-plan')).bytes).toString();
  };
  await page.evaluate(() => {
    const bar = document.getElementById('bar') as HTMLProgressElement;
    new MutationObserver((_, observer) => {
      const stage = document.getElementById('stage')!.textContent;
      if (stage !== 'pricing widths' || bar.value === 0) return;
      observer.disconnect();
      document.getElementById('cancel')!.click();
    }).observe(bar, { attributes: true });
  });
  await working(page, '640');
  await page.waitForSelector('#s-work', { state: 'hidden' });
  assert.ok(await page.isHidden('#s-budget'));
  await page.click('#measure');
  await says(page, 'measured', /going on where it was cancelled/);
  const found = await plan(page);
  const other = await opened(context, origin);
  await working(other, '640');
  assert.is(await plan(other), found);
});

test('a tab that is closed during work is asked about, ends its worker and leaves nothing behind', async ({
  page,
  context,
  origin,
}) => {
  let asked = 0;
  page.on('dialog', (dialog) => {
    asked++;
    void dialog.accept();
  });
  await working(page);
  const worker = page.workers().find((w) => w.url().endsWith('worker.js'))!;
  const ended = new Promise((resolve) => worker.once('close', resolve));
  const closed = new Promise((resolve) => page.once('close', resolve));
  await page.close({ runBeforeUnload: true });
  await closed;
  await ended;
  assert.is(asked, 1);
  const again = await opened(context, origin);
  assert.ok(await again.isHidden('#s-data'));
  assert.equal(await again.evaluate(() => indexedDB.databases()), []);
  await measured(again);
  again.on('dialog', () => asked++);
  const quiet = new Promise((resolve) => again.once('close', resolve));
  await again.close({ runBeforeUnload: true });
  await quiet;
  assert.is(asked, 1, 'asked though nothing was running');
});

const computing = (page: Page) => page.workers().find((w) => w.url().endsWith('worker.js'))!;

test('a worker that hangs is cut off by cancel, one that dies is replaced', async ({ page }) => {
  await working(page);
  await computing(page).evaluate(() => {
    setTimeout(() => {
      for (;;);
    });
  });
  await page.click('#cancel');
  await page.waitForSelector('#s-work', { state: 'hidden' });
  assert.is(await alertOf(page), '');
  await page.fill('#samples', '64');
  await measure(page);
  await page.fill('#samples', '4096');
  await page.click('#measure');
  await says(page, 'stage', /./);
  await computing(page).evaluate(() => {
    setTimeout(() => {
      throw new Error('a wire was cut');
    });
  });
  await says(page, 'alert', /ended unexpectedly.*a wire was cut.*\n.*measure again/);
  assert.ok(await page.isHidden('#s-budget'), 'shows what no worker has');
  await page.fill('#samples', '64');
  await measure(page);
});

async function with_(context: BrowserContext, script: () => void, origin: string): Promise<Page> {
  await context.addInitScript(script);
  return opened(context, origin);
}

test('a browser without SIMD, and one without module workers, are told; models can be looked at in the first', async ({
  context,
  origin,
  browser,
}) => {
  const plain = await with_(
    context,
    () => {
      WebAssembly.validate = () => false;
    },
    origin,
  );
  await says(plain, 'alert', /no SIMD.*\n.*current browser/);
  await drop(plain, MODEL, DATA);
  await says(plain, 'inspected', /3 weights/);
  await plain.click('#measure');
  await says(plain, 'alert', /no SIMD.*\n.*current browser/);
  assert.ok(await plain.isEnabled('#measure'));
  const old = await browser.newContext();
  try {
    const page = await with_(
      old,
      () => {
        // as a browser that does not know the option
        const { Worker: Own } = globalThis;
        globalThis.Worker = class extends Own {
          constructor(url: string | URL) {
            super(url);
          }
        };
      },
      origin,
    );
    for (let i = 0; i < 2; i++) {
      await drop(page, MODEL);
      await says(page, 'alert', /no module workers.*\n.*current browser/);
    }
    assert.ok(await page.isHidden('#s-work'));
  } finally {
    await old.close();
  }
});

test('what does not fit into memory says so and what to do: a file, an array, the kernels', async ({
  page,
  context,
  origin,
}) => {
  await page.close();
  const small = await opened(context, `${origin}?memory=4MB`);
  await drop(small, upload('large.onnx', network([1024, 1024, 12])));
  await says(small, 'alert', /large\.onnx: 4\.2\d MB is more than the 4\.00 MB.*\n.*\?memory=2GB/);
  await drop(small, MODEL, DATA);
  await measure(small);
  await drop(small, upload('zeros.npz', npz([['x', tensor('float', [50_000, 24], new Float32Array(1_200_000))]])));
  await small.click('#measure');
  await says(small, 'alert', /arrays of zeros\.npz: 4800\d+ bytes, more than the 4000000 allowed.*\n.*fewer samples/);
  await drop(small, DATA);
  await measure(small);
  await drop(small, upload('wide.onnx', network([24, 3000, 300])), DATA);
  await says(small, 'inspected', /wide/);
  await small.click('#measure');
  await says(small, 'alert', /Gemm node.*wasm memory: cannot allocate.*\n.*\?memory=2GB/);
  await drop(small, MODEL, DATA);
  await measure(small);
  const wrong = await opened(context, `${origin}?memory=lots`);
  await says(wrong, 'alert', /\?memory=lots: expected 4MB to 4GiB/);
  await wrong.setViewportSize({ width: 390, height: 800 });
  await measured(wrong);
  await narrow(wrong);
});

test.run();
