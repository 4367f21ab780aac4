/** The page: what is shown, and what each control does. All work is the worker's. */
import { damageIn } from '../src/report/parts.ts';
import { axis, INK, svgOf } from '../src/report/html/svg.ts';
import { quantizeHtml } from '../src/report/html/quantize.ts';
import { formatBytes, formatCount, formatNumber, formatPercent, formatRatio } from '../src/report/text.ts';
import { Budget, type Measured } from './budget.ts';
import { CancelledError, Client } from './client.ts';
import type { Calls, Data } from './protocol.ts';
import { checkInRuntime } from './runtime.ts';

const at = <T extends HTMLElement = HTMLElement>(id: string): T => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
};
const input = (id: string) => at<HTMLInputElement>(id);
const button = (id: string) => at<HTMLButtonElement>(id);

/** Largest file that is taken: what a page can hold beside its work. */
const MOST_BYTES = 1.5 * 2 ** 30;
const POINTS = 25;
const DEFAULT_BITS = 4.1;

const client = new Client(() => new Worker(new URL('./worker.js', document.baseURI), { type: 'module' }));

let model: { name: string; size: number } | undefined;
let data: Data = { kind: 'none' };
let budget: Budget | undefined;
let unit: Measured['table']['unit'] = 'proxy';
let quantizable = 0;
let frontier: { guided: number[][]; uniform: number[][] } | undefined;
let result: Calls['quantize']['give'] | undefined;

function alertText(error: unknown): void {
  const text = error instanceof CancelledError ? '' : error instanceof Error ? error.message : String(error);
  at('alert').textContent = text;
  at('alert').hidden = text === '';
}

const show = (id: string, shown = true): void => {
  at(id).hidden = !shown;
};

function download(name: string, bytes: Uint8Array<ArrayBuffer> | string, type: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const stem = () => (model?.name ?? 'model').replace(/\.onnx$/i, '');

/** Runs one piece of work with the bar shown and all that would start another switched off. */
async function working<T>(body: (progress: (stage: string, done: number, total: number) => void) => Promise<T>) {
  alertText('');
  const controls = [
    ...document.querySelectorAll<HTMLButtonElement | HTMLInputElement>('main button, main input[type=file]'),
  ];
  const before = controls.map((c) => c.disabled);
  for (const c of controls) c.disabled = c.id !== 'cancel';
  show('s-work');
  let stage = '';
  let start = 0;
  try {
    return await body((name, done, total) => {
      if (name !== stage) [stage, start] = [name, performance.now()];
      const share = total > 0 ? done / total : 0;
      at('stage').textContent = name;
      at<HTMLProgressElement>('bar').value = share;
      const seconds = share > 0.02 ? ((performance.now() - start) / 1000) * (1 / share - 1) : undefined;
      at('left').textContent = seconds === undefined ? '' : `about ${Math.ceil(seconds)} s left`;
    });
  } catch (error) {
    alertText(error);
    return undefined;
  } finally {
    show('s-work', false);
    controls.forEach((c, i) => {
      c.disabled = before[i]!;
    });
  }
}

async function bytesOf(file: File): Promise<Uint8Array> {
  if (file.size > MOST_BYTES)
    throw new Error(`${file.name}: ${formatBytes(file.size)} is more than a page can work on; use the kappa command`);
  return new Uint8Array(await file.arrayBuffer());
}

async function open(name: string, bytes: Uint8Array): Promise<void> {
  const found = await working(() => client.call('open', { name, bytes }));
  if (!found) return;
  model = { name, size: bytes.length };
  [budget, result, frontier] = [undefined, undefined, undefined];
  for (const id of ['s-budget', 's-result']) show(id, false);
  const missing = found.operators.filter((o) => !o.supported).map((o) => o.opType);
  const weights = found.weights.reduce((n, w) => n + w.params, 0);
  const inputs = found.inputs.map((i) => `${i.name} [${(i.dims ?? []).map((d) => d ?? '?').join(', ')}]`);
  const said = [
    `${name}: ${formatBytes(bytes.length)}, ${formatCount(found.parameters)} parameters, ${formatCount(weights)} of them in ${formatCount(found.weights.length)} weights that can be quantized.`,
    `Inputs: ${inputs.join(', ')}.`,
    ...(missing.length > 0
      ? [`Kappa does not run ${missing.join(', ')}: widths can follow the weights alone, and no damage is measured.`]
      : []),
    ...(found.weights.length === 0 ? ['There is no weight to make smaller.'] : []),
  ];
  at('inspected').replaceChildren(...said.map(paragraph));
  show('s-data', found.weights.length > 0);
}

function paragraph(text: string): HTMLParagraphElement {
  const p = document.createElement('p');
  p.textContent = text;
  return p;
}

function takeData(name: string, bytes: Uint8Array): void {
  data = { kind: 'npz', name, bytes };
  input('drawn').checked = false;
  at('data-said').textContent = `${name}: ${formatBytes(bytes.length)}`;
}

/** A model, data, or both. */
async function takeFiles(files: readonly File[]): Promise<void> {
  try {
    for (const file of files) {
      if (/\.npz$/i.test(file.name)) takeData(file.name, await bytesOf(file));
    }
    const onnx = files.filter((f) => !/\.npz$/i.test(f.name));
    if (onnx.length > 1) throw new Error(`expected one model, got ${onnx.map((f) => f.name).join(', ')}`);
    if (onnx[0]) await open(onnx[0].name, await bytesOf(onnx[0]));
  } catch (error) {
    alertText(error);
  }
}

async function demo(): Promise<void> {
  const fetched = async (name: string) => {
    const response = await fetch(`demo/${name}`);
    if (!response.ok) throw new Error(`demo/${name}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  try {
    takeData('mnist-calib.npz', await fetched('mnist-calib.npz'));
    input('samples').value = '512';
    await open('mnist-mlp.onnx', await fetched('mnist-mlp.onnx'));
  } catch (error) {
    alertText(error);
  }
}

async function measure(): Promise<void> {
  const { value } = input('samples');
  const samples = value === '' ? undefined : Number(value);
  if (samples !== undefined && !(Number.isInteger(samples) && samples >= 1)) {
    alertText(`samples: expected a whole number of at least 1, got ${value}`);
    return;
  }
  const chosen: Data = input('drawn').checked ? { kind: 'drawn' } : data;
  const settings = { name: model!.name, samples, seed: undefined };
  const found = await working((progress) => client.call('measure', { data: chosen, settings }, progress));
  if (!found) return;
  budget = new Budget(found);
  [unit, quantizable, frontier, result] = [found.table.unit, found.quantizable, undefined, undefined];
  show('s-result', false);
  show('s-budget');
  layerRows();
  limits(DEFAULT_BITS);
}

/** Brings the slider into what plans can have. */
function limits(bits: number): void {
  const slider = input('bits');
  const { least, most } = budget!.limits;
  slider.min = String(Math.ceil(least * 100) / 100);
  slider.max = String(Math.max(Number(slider.min), Math.floor(most * 100) / 100));
  slider.value = String(Math.min(Number(slider.max), Math.max(Number(slider.min), bits)));
  frontier = budget!.frontier(POINTS);
  solve();
}

function layerRows(): void {
  const { table } = budget!;
  at('layers').replaceChildren(
    ...table.layers.map((layer) => {
      const row = document.createElement('tr');
      const name = document.createElement('th');
      name.scope = 'row';
      name.textContent = layer.name;
      const cells = [formatCount(layer.params), '', ''].map((text) => {
        const cell = document.createElement('td');
        cell.textContent = text;
        return cell;
      });
      const pin = document.createElement('select');
      pin.setAttribute('aria-label', `pin ${layer.name}`);
      const options = [0, ...layer.choices.map((c) => c.bits)];
      pin.append(...options.map((b) => new Option(b === 0 ? 'free' : b === 32 ? 'float' : `${b} bits`, String(b))));
      pin.onchange = () => {
        alertText('');
        try {
          budget!.pin(layer.name, Number(pin.value));
          limits(Number(input('bits').value));
        } catch (error) {
          pin.value = String(budget!.pins.get(layer.name) ?? 0);
          alertText(error);
        }
      };
      const last = document.createElement('td');
      last.append(pin);
      row.append(name, ...cells, last);
      return row;
    }),
  );
}

/** The plan of the slider's budget, and everything that says so. */
function solve(): void {
  if (!budget) return;
  const plan = budget.solve(Number(input('bits').value));
  const damage = damageIn(unit);
  at('bits-said').textContent = formatNumber(plan.averageBits, 3);
  at('predicted').textContent = `${damage.format(plan.predicted) ?? '-'} (${damage.title})`;
  at('bytes').textContent = formatBytes(plan.bytes);
  at('ratio').textContent = formatRatio((4 * quantizable) / plan.bytes);
  [...at('layers').children].forEach((row, i) => {
    const layer = budget!.table.layers[i]!;
    const { bits } = plan.layers[i]!;
    row.children[2]!.textContent = bits === 32 ? 'float' : String(bits);
    row.children[3]!.textContent = damage.format(layer.choices.find((c) => c.bits === bits)?.damage ?? null) ?? '-';
    const pin = row.querySelector('select')!;
    pin.value = String(budget!.pins.get(layer.name) ?? 0);
  });
  draw(plan.averageBits, plan.predicted);
}

function draw(bits: number, predicted: number): void {
  const option = {
    grid: { left: 70, right: 20, top: 40, bottom: 50 },
    legend: { top: 0, itemGap: 26, textStyle: { color: INK } },
    xAxis: axis('value', 'average bits a weight', { scale: true, nameGap: 30 }),
    yAxis: axis('log', unit === 'kl' ? 'predicted KL (nats)' : `predicted ${damageIn(unit).title}`, { nameGap: 50 }),
    series: [
      { name: 'chosen by layer', type: 'line', symbol: 'none', data: frontier?.guided ?? [] },
      { name: 'uniform', type: 'line', symbol: 'none', lineStyle: { type: 'dashed' }, data: frontier?.uniform ?? [] },
      { name: 'this plan', type: 'scatter', symbolSize: 12, data: predicted > 0 ? [[bits, predicted]] : [] },
    ],
  };
  at('plot').innerHTML = svgOf(option, 900, 280, 'frontier');
}

async function make(): Promise<void> {
  const bits = Number(input('bits').value);
  const { pins } = budget!;
  result = await working((progress) => client.call('quantize', { bits, pins }, progress));
  show('s-result', result !== undefined);
  if (!result) return;
  const { report, bytes } = result;
  const damage = damageIn(report.unit);
  const figures: readonly (readonly [string, string])[] = [
    ['file', formatBytes(bytes.length)],
    ['smaller', formatRatio(report.output.ratio)],
    ['bits a weight', formatNumber(report.averageBits, 3)],
    [
      report.damage.together === null
        ? `${damage.title}, predicted`
        : report.dataFree === null
          ? `${damage.title}, measured on samples held back`
          : `${damage.title}, on drawn inputs: a guess`,
      damage.format(report.damage.together ?? report.damage.predicted) ?? '-',
    ],
  ];
  at('result').replaceChildren(
    ...figures.map(([name, value]) => {
      const box = document.createElement('div');
      const [dt, dd] = [document.createElement('dt'), document.createElement('dd')];
      [dt.textContent, dd.textContent] = [name, value];
      box.append(dt, dd);
      return box;
    }),
  );
  at('compared').textContent = '';
  at('outputs').replaceChildren();
  button('compare').disabled = data.kind !== 'npz' && !input('drawn').checked;
}

async function compare(): Promise<void> {
  const found = await working(() => client.call('compare', { sample: Number(input('sample').value) || 0 }));
  if (!found || !result) return;
  const { original, quantized } = found;
  const points = (values: Float32Array) => Array.from(values, (v, i) => [i, v]);
  at('outputs').innerHTML = svgOf(
    {
      grid: { left: 70, right: 20, top: 40, bottom: 40 },
      legend: { top: 0, itemGap: 26, textStyle: { color: INK } },
      xAxis: axis('value', `values of ${found.output}`, { nameGap: 25, minInterval: 1 }),
      yAxis: axis('value', ''),
      series: [
        { name: 'original', type: 'line', symbolSize: 7, data: points(original) },
        { name: 'quantized', type: 'line', symbolSize: 5, lineStyle: { type: 'dashed' }, data: points(quantized) },
      ],
    },
    900,
    260,
    'outputs',
  );
  const largest = original.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  const apart = original.reduce((m, v, i) => Math.max(m, Math.abs(v - quantized[i]!)), 0);
  const said = `Sample ${found.sample} of ${found.samples}: largest difference of ${found.output} ${formatNumber(apart, 3)}${largest > 0 ? `, ${formatPercent(apart / largest)} of the largest value` : ''}.`;
  at('compared').textContent = said;
  try {
    const { difference, milliseconds } = await checkInRuntime(result.bytes, found);
    at('compared').textContent =
      `${said} onnxruntime-web runs the file in this page (${formatNumber(milliseconds, 2)} ms) and agrees with Kappa within ${difference.toExponential(1)}.`;
  } catch (error) {
    at('compared').textContent =
      `${said} onnxruntime-web could not be asked: ${error instanceof Error ? error.message : error}`;
  }
}

function savePlan(): void {
  const plan = budget!.solve(Number(input('bits').value));
  download(`${stem()}-plan.json`, `${JSON.stringify(plan, null, 2)}\n`, 'application/json');
}

async function loadPlan(files: FileList | null): Promise<void> {
  const file = files?.[0];
  if (!file || !budget) return;
  alertText('');
  try {
    limits(budget.load(await file.text()));
  } catch (error) {
    alertText(error instanceof SyntaxError ? new Error(`${file.name}: expected a plan as JSON`) : error);
  }
}

function saveReport(): void {
  const { report, pictures } = result!;
  const command = `kappa quantize ${model!.name} --bits ${input('bits').value}`;
  download(`${stem()}.html`, quantizeHtml({ report, pictures, command }), 'text/html');
}

function listen(): void {
  const drop = at('drop');
  for (const name of ['dragover', 'dragenter'])
    document.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add('over');
    });
  document.addEventListener('dragleave', () => drop.classList.remove('over'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    if (client.busy) alertText('work is running: cancel it before another model is dropped');
    else void takeFiles([...(event.dataTransfer?.files ?? [])]);
  });
  const chosen = (id: string, take: (files: FileList | null) => void) =>
    input(id).addEventListener('change', ({ target }) => {
      take((target as HTMLInputElement).files);
      (target as HTMLInputElement).value = '';
    });
  chosen('model-file', (files) => void takeFiles([...(files ?? [])]));
  chosen('data-file', (files) => void takeFiles([...(files ?? [])]));
  chosen('plan-file', (files) => void loadPlan(files));
  button('demo').onclick = () => void demo();
  button('measure').onclick = () => void measure();
  button('cancel').onclick = () => client.cancel();
  button('make').onclick = () => void make();
  button('compare').onclick = () => void compare();
  button('save-plan').onclick = savePlan;
  button('save-model').onclick = () =>
    download(`${stem()}-${input('bits').value}b.onnx`, result!.bytes, 'application/octet-stream');
  button('save-report').onclick = saveReport;
  let asked = 0;
  input('bits').oninput = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(solve);
  };
}

listen();
if (!('WebAssembly' in globalThis)) alertText('this browser has no WebAssembly: use a current one');
if ('serviceWorker' in navigator) void navigator.serviceWorker.register('offline.js').catch(() => undefined);
document.documentElement.dataset.ready = 'true';
