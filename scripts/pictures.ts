// The README's pictures, of real runs: `npm run pictures` writes docs/pictures/. Arguments are parts to make alone: `frontier` (drawn
// from bench/results/accuracy.json), `resnet` (runs the demonstration, keeps its figures beside the picture), `report` and `studio`
// (screenshots in Chromium, which need dist/ as `npm run build` makes it).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import type { LayerDemoReport } from '../src/report/demo-layers.ts';
import { givenPicture } from '../src/report/html/demo.ts';
import { PALETTE } from '../src/report/html/style.ts';
import { axis, INK, type Drawn, svgOf } from '../src/report/html/svg.ts';
import { damageSeries } from '../src/report/html/sweep.ts';
import { formatBytes } from '../src/report/text.ts';
import type { SweepReport } from '../src/report/types.ts';
import { CHROMIUM_FLAGS, chromiumPath } from './chromium.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const FOLDER = join(root, 'docs', 'pictures');
const RESULTS = join(root, 'bench', 'results', 'accuracy.json');
const FIGURES = join(FOLDER, 'resnet-bits.json');
const WIDTH = 1000;

/** What is drawn of the demonstration. */
type Bits = Pick<LayerDemoReport, 'kappa' | 'model' | 'budgets'> & {
  readonly layers: readonly Pick<LayerDemoReport['layers'][number], 'name' | 'params' | 'given'>[];
};

/** A file by itself: readable on light and on dark pages, whichever of the two a reader's system asks for. */
function svgFile({ option, height }: Drawn, title: string): string {
  const text = svgOf(option, WIDTH, height, 'p');
  const style = `<style>svg{${PALETTE.light};font-family:system-ui,sans-serif}@media (prefers-color-scheme:dark){svg{${PALETTE.dark}}}</style>`;
  const open = /^<svg [^>]*>/.exec(text)![0];
  const paper = `<rect width="${WIDTH}" height="${height}" rx="8" fill="var(--paper)"/>`;
  return `${open}<title>${title}</title>${style}${paper}${text.slice(open.length).replace(/<rect [^>]*fill="none"[^>]*><\/rect>/, '')}\n`;
}

/** KL against bytes of the file for every model of the accuracy run, guided and uniform. */
export function frontierSvg(reports: readonly SweepReport[]): string {
  const gap = 76;
  const each = (WIDTH - gap * reports.length - 16) / reports.length;
  const panels = reports.map(({ points }) => damageSeries(points, 1e3, (p) => p.bytes));
  const option = {
    legend: {
      data: panels[0]?.legend ?? [],
      top: 8,
      left: 'center',
      itemGap: 24,
      textStyle: { color: INK, fontSize: 13 },
    },
    grid: reports.map((_, i) => ({ left: gap + i * (each + gap), width: each, top: 44, bottom: 56 })),
    xAxis: reports.map(({ model, points }, i) => {
      const mega = points.some((p) => p.bytes >= 1e6);
      const formatter = (v: number) => (mega ? `${(v / 1e6).toFixed(1)} MB` : `${(v / 1e3).toFixed(0)} kB`);
      return axis('value', `${model.name}, ${formatBytes(model.bytes)} in fp32`, {
        gridIndex: i,
        scale: true,
        nameGap: 32,
        splitNumber: 4,
        axisLabel: { color: INK, hideOverlap: true, formatter },
      });
    }),
    yAxis: reports.map((_, i) =>
      axis('log', i === 0 ? 'KL × 10³ to fp32, held-out data' : '', { gridIndex: i, nameGap: 50 }),
    ),
    series: panels.flatMap(({ series }, i) => series.map((s) => ({ ...s, xAxisIndex: i, yAxisIndex: i }))),
  };
  return svgFile({ option, height: 340 }, 'Damage against bytes, guided and uniform');
}

/** Bits that each layer of the ResNet is given, first to last. */
export function bitsSvg(figures: Bits): string {
  const picture = givenPicture(figures as Pick<LayerDemoReport, 'layers' | 'budgets'>);
  return svgFile(picture.draw(WIDTH), 'Bits a weight, layer by layer');
}

export const readResults = (): readonly SweepReport[] =>
  (JSON.parse(readFileSync(RESULTS, 'utf8')) as { reports: SweepReport[] }).reports;
export const readFigures = (): Bits => JSON.parse(readFileSync(FIGURES, 'utf8')) as Bits;

function kappa(...args: string[]): string {
  const cli = join(root, 'dist', 'cli.js');
  if (!existsSync(cli)) throw new Error('dist/cli.js is missing: run `npm run build` first');
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`kappa ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function runResnet(): void {
  const { kappa: version, model, budgets, layers } = JSON.parse(kappa('demo', 'resnet', '--json')) as LayerDemoReport;
  const kept: Bits = {
    kappa: version,
    model,
    budgets,
    layers: layers.map(({ name, params, given }) => ({ name, params, given })),
  };
  writeFileSync(FIGURES, `${JSON.stringify(kept, null, 1)}\n`);
}

async function shoot(look: (browser: Browser) => Promise<Uint8Array>, name: string): Promise<void> {
  const browser = await chromium.launch({ executablePath: chromiumPath(), args: CHROMIUM_FLAGS });
  try {
    writeFileSync(join(FOLDER, name), await look(browser));
  } finally {
    await browser.close();
  }
}

const VIEW = { viewport: { width: 920, height: 960 }, colorScheme: 'light' } as const;

async function shootReport(browser: Browser): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), 'kappa-pictures-'));
  try {
    const file = join(folder, 'report.html');
    const data = ['--calib', 'models/fashion-calib.npz', '--eval', 'models/fashion-eval.npz', '--samples', '512'];
    const out = ['-o', join(folder, 'resnet18.onnx'), '--report', file];
    kappa('quantize', 'models/resnet18-fashion.onnx', '--bits', '4', ...data, '--no-verify', '--quiet', ...out);
    const page = await browser.newPage(VIEW);
    await page.goto(pathToFileURL(file).href);
    return await page.screenshot();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function shootStudio(browser: Browser): Promise<Uint8Array> {
  const { makeStudio, serveFolder } = await import('./studio.mjs');
  const server = await serveFolder(await makeStudio());
  try {
    const page = await browser.newPage(VIEW);
    page.setDefaultTimeout(180_000);
    await page.goto(`http://127.0.0.1:${(server.address() as { port: number }).port}/`);
    await page.waitForSelector('html[data-ready]');
    await page.click('#demo-mnist');
    await page.waitForSelector('#s-data:not([hidden])');
    await page.click('#measure');
    await page.waitForSelector('#s-budget:not([hidden])');
    await page.evaluate(() => {
      const slider = document.getElementById('bits') as HTMLInputElement;
      slider.value = '4';
      slider.dispatchEvent(new Event('input'));
    });
    await page.click('#make');
    await page.waitForSelector('#s-result:not([hidden])');
    await page.click('#compare');
    await page.waitForFunction(() => document.getElementById('compared')!.textContent !== '');
    await page.evaluate(() => {
      (document.getElementById('details') as HTMLDetailsElement).open = true;
      document.getElementById('s-budget')!.scrollIntoView();
    });
    await page.waitForTimeout(500);
    return await page.screenshot();
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function main(parts: readonly string[]): Promise<void> {
  const known = ['frontier', 'resnet', 'report', 'studio'];
  const wrong = parts.find((p) => !known.includes(p));
  if (wrong !== undefined) throw new Error(`unknown part ${wrong}: expected ${known.join(', ')}`);
  const wanted = (part: string) => parts.length === 0 || parts.includes(part);
  mkdirSync(FOLDER, { recursive: true });
  if (wanted('frontier')) writeFileSync(join(FOLDER, 'frontier.svg'), frontierSvg(readResults()));
  if (wanted('resnet')) {
    runResnet();
    writeFileSync(join(FOLDER, 'resnet-bits.svg'), bitsSvg(readFigures()));
  }
  if (wanted('report')) await shoot(shootReport, 'report.png');
  if (wanted('studio')) await shoot(shootStudio, 'studio.png');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
