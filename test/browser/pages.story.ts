/** Pages of reports as people see them, in Chromium: run by scripts/test-browser.mjs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CHROMIUM_FLAGS, chromiumPath } from '../../scripts/chromium.mjs';
import { loadWasm } from '../helpers.ts';
import { samplePages } from '../report/html/samples.ts';
import { seriousFindings } from './axe.ts';

interface Story {
  browser: Browser;
  folder: string;
  /** Address of a page by what is on it. */
  pages: Map<string, string>;
}

const test = suite<Story>('browser/pages');

test.before(async (story) => {
  story.folder = process.env.KAPPA_PAGES ?? mkdtempSync(join(tmpdir(), 'kappa-pages-'));
  story.pages = new Map(
    [...(await samplePages(await loadWasm()))].map(([name, html], i) => {
      const file = join(story.folder, `${i}.html`);
      writeFileSync(file, html);
      return [name, pathToFileURL(file).href];
    }),
  );
  story.browser = await chromium.launch({ executablePath: chromiumPath(), args: CHROMIUM_FLAGS });
});
test.after(async ({ browser, folder }) => {
  await browser.close();
  if (process.env.KAPPA_PAGES === undefined) rmSync(folder, { recursive: true });
});

/** Opens every page in turn. */
async function each(
  { browser, pages }: Story,
  settings: NonNullable<Parameters<Browser['newContext']>[0]>,
  look: (page: Page, name: string) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext(settings);
  try {
    for (const [name, address] of pages) {
      const page = await context.newPage();
      const said: string[] = [];
      page.on('console', (message) => said.push(message.text()));
      page.on('pageerror', (error) => said.push(String(error)));
      await page.goto(address);
      await look(page, name);
      assert.equal(said, [], name);
      await page.close();
    }
  } finally {
    await context.close();
  }
}

const WIDE = { width: 1100, height: 900 };
const PHONE = { width: 390, height: 800 };

/** What is wrong with what lies where: a page that scrolls sideways, texts of plots on each other or cut off. */
function misplaced(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const wrong: string[] = [];
    if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page scrolls sideways');
    for (const svg of document.querySelectorAll('svg')) {
      const box = svg.getBoundingClientRect();
      if (box.width === 0) continue;
      const texts = [...svg.querySelectorAll('text')].map((text) => {
        const turned =
          /matrix\((?!1,0,0,1)/.test(text.getAttribute('transform') ?? '') ||
          /rotate/.test(text.getAttribute('transform') ?? '');
        return { said: text.textContent ?? '', turned, at: text.getBoundingClientRect() };
      });
      for (const { said, at } of texts)
        if (at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1 || at.bottom > box.bottom + 1)
          wrong.push(`'${said}' reaches beyond '${svg.getAttribute('aria-label')}'`);
      const flat = texts.filter((t) => !t.turned && t.said !== '');
      for (const [i, a] of flat.entries())
        for (const b of flat.slice(i + 1)) {
          const across = Math.min(a.at.right, b.at.right) - Math.max(a.at.left, b.at.left);
          const down = Math.min(a.at.bottom, b.at.bottom) - Math.max(a.at.top, b.at.top);
          if (across > 1 && down > 3)
            wrong.push(`'${a.said}' lies on '${b.said}' in '${svg.getAttribute('aria-label')}'`);
        }
    }
    return wrong;
  });
}

for (const [kind, viewport] of [
  ['a wide page', WIDE],
  ['a phone', PHONE],
] as const)
  for (const colorScheme of ['light', 'dark'] as const)
    test(`nothing serious is found by axe-core, nothing lies on anything else: ${kind}, ${colorScheme}`, async (story) => {
      await each(story, { viewport, colorScheme }, async (page, name) => {
        assert.equal(await misplaced(page), [], name);
        await page.evaluate(() => {
          for (const details of document.querySelectorAll('details')) details.open = true;
        });
        assert.equal(await seriousFindings(page), [], name);
        assert.equal(await misplaced(page), [], `${name}, tables open`);
      });
    });

test('with a keyboard: the contents lead to sections, tables open and scroll, and where one is can be seen', async (story) => {
  await each(story, { viewport: WIDE }, async (page, name) => {
    const reached = new Set<string>();
    const stops = await page.locator('a, summary, .scroll').count();
    for (let i = 0; i < stops; i++) {
      await page.keyboard.press('Tab');
      const found = await page.evaluate(() => {
        const at = document.activeElement!;
        return { tag: at.tagName, outline: getComputedStyle(at).outlineStyle };
      });
      assert.not.equal(found.outline, 'none', `${name}: ${found.tag}`);
      if (found.tag === 'SUMMARY') await page.keyboard.press('Enter');
      reached.add(found.tag);
    }
    assert.ok(reached.has('A'), name);
    const closed = await page.locator('details:not([open])').count();
    assert.is(closed, 0, name);
  });
});

test('printed: light, every table open, nothing to click on, no wider than the paper', async (story) => {
  await each(story, { viewport: { width: 718, height: 1000 }, colorScheme: 'dark' }, async (page, name) => {
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    const found = await page.evaluate(() => ({
      paper: getComputedStyle(document.body).backgroundColor,
      hidden: [...document.querySelectorAll('details table')].filter((t) => t.getBoundingClientRect().height === 0)
        .length,
      shown: [...document.querySelectorAll('summary, nav')].filter((e) => e.getBoundingClientRect().height > 0).length,
      over: document.documentElement.scrollWidth - innerWidth,
    }));
    assert.equal(found, { paper: 'rgb(255, 255, 255)', hidden: 0, shown: 0, over: Math.min(0, found.over) }, name);
  });
});

test.run();
