/** The page: what each control does. All work is done by workers. */
import { formatBytes, formatCount, formatNumber } from '../src/report/text.ts';
import { supportsSimd } from '../src/wasm/features.ts';
import { memoryIn } from './advice.ts';
import { Client, Failure } from './client.ts';
import { alertText, announce, at, button, element, input, reveal, show } from './dom.ts';
import { Panel } from './panel.ts';
import { describeImages, dropped, FIELDS, imageOptions, isImage } from './images.ts';
import type { Calls, Data, DrawCalls, Named, SolveCalls } from './protocol.ts';
import { checked, type Made, saveModel, savePlan, saveReport, showCompared, showMade } from './result.ts';
import { busy, cancelWork, working } from './work.ts';

/** What is there to try without a file of one's own. */
const DEMOS = {
  mnist: { model: 'mnist-mlp.onnx', data: 'mnist-calib.npz', samples: '512' },
  transformer: { model: 'transformer-text.onnx', data: 'text-calib.npz', samples: '32' },
} as const;

/** Problems of a model that are listed. */
const LISTED = 12;

const memory = memoryIn(location.search);

let model: File | undefined;
let data: Data = { kind: 'none' };
/** Whether the model can be run, so that data is of use. */
let runs = true;
let made: Made | undefined;

/** The worker has what the page shows; otherwise the model is given to it again before anything else. */
let held = false;

const client = new Client<Calls>('worker.js', () => {
  held = false;
  for (const id of ['s-budget', 's-result']) show(id, false);
});
const artist = new Client<DrawCalls>('draw.js');
const panel = new Panel(new Client<SolveCalls>('solve.js'), artist);
const cancel = () => client.cancel();

/** @throws Failure for a file larger than the bound */
function bounded(file: File): File {
  if (file.size <= memory.file) return file;
  const sizes = `${formatBytes(file.size)} is more than the ${formatBytes(memory.file)} that this page may take`;
  throw new Failure('memory', `${file.name}: ${sizes}`);
}

async function open(file: File): Promise<boolean> {
  const found = await working(cancel, () => client.call('open', { file: bounded(file), memory: memory.work }));
  if (!found) return false;
  [model, made, held, runs] = [file, undefined, true, found.problems.length === 0];
  for (const id of ['s-budget', 's-result']) show(id, false);
  showInspected(found);
  show('s-data', found.weights.length > 0);
  await sayImages();
  return true;
}

function showInspected(found: Calls['open']['give']): void {
  const weights = found.weights.reduce((n, w) => n + w.params, 0);
  const inputs = found.inputs.map((i) => `${i.name} [${(i.dims ?? []).map((d) => d ?? '?').join(', ')}]`);
  const said = [
    `${found.name}: ${formatBytes(found.bytes)}, ${formatCount(found.parameters)} parameters, ${formatCount(weights)} of them in ${formatCount(found.weights.length)} weights that can be quantized.`,
    `Inputs: ${inputs.join(', ')}.`,
    ...(found.weights.length === 0 ? ['There is no weight to make smaller: choose another model.'] : []),
    ...(runs
      ? []
      : [
          'Kappa cannot run this model, so no data is used and no damage is measured: widths can follow the weights alone. What it does not run:',
        ]),
  ];
  const problems = found.problems.slice(0, LISTED).map(({ kind, operator, name, reason }) => {
    const what = operator === '' ? kind : operator;
    const where = name === '' ? '' : ` at ${kind === 'operator' || kind === 'node' ? 'node ' : ''}"${name}"`;
    return element('li', `${what}${where}: ${kind === 'operator' ? 'no such operator, ' : ''}${reason}`);
  });
  if (found.problems.length > LISTED) problems.push(element('li', `and ${found.problems.length - LISTED} more`));
  const list = problems.length > 0 ? [element('ul', '', ...problems)] : [];
  at('inspected').replaceChildren(...said.map((text) => element('p', text)), ...list);
  for (const id of ['data-file', 'drawn', 'samples', ...FIELDS]) input(id).disabled = !runs;
}

function takeData(file: File): void {
  asked++;
  data = { kind: 'npz', file: bounded(file) };
  input('drawn').checked = false;
  show('image-form', false);
  at('data-said').textContent = `${file.name}: ${formatBytes(file.size)}`;
}

async function takeImages(files: readonly Named[]): Promise<void> {
  for (const { file } of files) bounded(file);
  data = { kind: 'images', files, options: {} };
  input('drawn').checked = false;
  show('image-form');
  at('data-said').textContent = `${formatCount(files.length)} files`;
  await sayImages();
}

/** Counts what is asked about images, so that only the last answer is shown. */
let asked = 0;

/** Says what the images become as the model's input, where there are both. Controls stay as they are: it is quick. */
async function sayImages(): Promise<void> {
  if (data.kind !== 'images' || !model || !runs || busy()) return;
  const own = ++asked;
  alertText('');
  try {
    await holding();
    const said = await describeImages(client, data.files);
    if (own === asked) at('data-said').textContent = said;
  } catch (error) {
    if (own === asked) alertText(error);
  }
}

/** Gives the model to the worker again where that was lost. */
async function holding(): Promise<void> {
  if (!held) await client.call('open', { file: model!, memory: memory.work });
  held = true;
}

/** The only one. @throws Failure */
function only(files: readonly Named[], what: string): File | undefined {
  if (files.length > 1)
    throw new Failure('usage', `expected one ${what}, found ${files.map((f) => f.path).join(', ')}; bring one`);
  return files[0]?.file;
}

/** A model, data, or both. */
async function takeFiles(files: readonly Named[]): Promise<void> {
  if (busy()) {
    alertText('Work is running: wait for it or cancel it before other files are brought. Nothing was changed.');
    return;
  }
  alertText('');
  try {
    const named = (end: RegExp) => files.filter((f) => end.test(f.path));
    const others = files.filter((f) => !/\.(?:npz|onnx)$/i.test(f.path));
    const images = others.some(isImage) ? others : [];
    const network = only([...named(/\.onnx$/i), ...(images.length > 0 ? [] : others)], 'model');
    const npz = only(named(/\.npz$/i), '.npz');
    if (npz && images.length > 0) throw new Failure('usage', 'expected one kind of data, found an .npz and images');
    if (npz) takeData(npz);
    if (network && !(await open(network))) return;
    if (images.length > 0) await takeImages(images);
  } catch (error) {
    alertText(error);
  }
}

async function demo({ model: own, data: npz, samples }: (typeof DEMOS)[keyof typeof DEMOS]): Promise<void> {
  const fetched = async (name: string) => {
    const response = await fetch(`demo/${name}`);
    if (!response.ok) throw new Error(`demo/${name}: ${response.status}; reload the page`);
    return new File([await response.blob()], name);
  };
  alertText('');
  try {
    const [network, arrays] = await Promise.all([fetched(own), fetched(npz)]);
    if (busy()) return;
    if (!(await open(network))) return;
    takeData(arrays);
    input('samples').value = samples;
  } catch (error) {
    alertText(error);
  }
}

async function measure(): Promise<void> {
  const { value } = input('samples');
  const samples = value === '' ? undefined : Number(value);
  if (samples !== undefined && !(Number.isInteger(samples) && samples >= 1)) {
    alertText(`samples: expected a whole number of at least 1, found ${value}`);
    return;
  }
  if (!supportsSimd()) {
    alertText(new Failure('browser', "this browser's WebAssembly has no SIMD, which the kernels are made of"));
    return;
  }
  const found = await working(cancel, async (progress) => {
    const chosen: Data = !runs
      ? { kind: 'none' }
      : input('drawn').checked
        ? { kind: 'drawn' }
        : data.kind === 'images'
          ? { ...data, options: imageOptions() }
          : data;
    await holding();
    const settings = { samples, seed: undefined };
    const measured = await client.call('measure', { data: chosen, settings }, progress);
    await panel.take(measured);
    return measured;
  });
  if (!found) return;
  made = undefined;
  show('s-result', false);
  const on = found.calibration ? `on ${formatCount(found.calibration.samples)} samples ` : '';
  const again = found.resumed ? ', going on where it was cancelled' : '';
  at('measured').textContent =
    `Measured ${on}in ${formatNumber(found.seconds, 2)} s${again}: ${formatCount(found.table.layers.length)} layers.`;
  await reveal('s-budget');
}

async function make(): Promise<void> {
  const { bits } = panel;
  const { pins } = panel.solved!;
  const result = await working(cancel, (progress) => client.call('quantize', { bits, pins }, progress));
  if (!result) return;
  const samples = result.report.calibration !== null;
  made = { result, bits, name: model!.name, samples };
  showMade(made);
  await reveal('s-result');
}

async function compare(): Promise<void> {
  const own = made!;
  let end = cancel;
  const sample = Number(input('sample').value) || 0;
  await working(
    () => end(),
    async (progress) => {
      const found = own.samples ? await client.call('compare', { sample }, progress) : undefined;
      const runtime = await checked(own, found, progress, (other) => {
        end = other;
      });
      if (found) await showCompared(artist, found, runtime);
      else at('compared').textContent = runtime;
    },
  );
}

async function loadPlan(files: FileList | null): Promise<void> {
  const file = files?.[0];
  if (!file) return;
  alertText('');
  try {
    await panel.load(await bounded(file).text());
    announce('plan loaded');
  } catch (error) {
    alertText(error);
  }
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
    if (event.dataTransfer) void dropped(event.dataTransfer).then(takeFiles, alertText);
  });
  const chosen = (id: string, take: (files: FileList | null) => Promise<void>) =>
    input(id).addEventListener('change', ({ target }) => {
      const { files } = target as HTMLInputElement;
      void take(files).finally(() => {
        (target as HTMLInputElement).value = '';
      });
    });
  const all = (files: FileList | null) => takeFiles(Array.from(files ?? [], (file) => ({ path: file.name, file })));
  chosen('model-file', all);
  chosen('data-file', all);
  for (const id of FIELDS) at(id).addEventListener('change', () => void sayImages());
  chosen('plan-file', loadPlan);
  for (const [name, of] of Object.entries(DEMOS)) button(`demo-${name}`).onclick = () => void demo(of);
  button('measure').onclick = () => void measure();
  button('cancel').onclick = cancelWork;
  button('make').onclick = () => void make();
  button('compare').onclick = () => void compare();
  button('save-plan').onclick = () => savePlan(model!.name, panel.solved!.plan);
  button('save-model').onclick = () => saveModel(made!);
  button('save-report').onclick = () => void saveReport(artist, made!).catch(alertText);
  input('bits').oninput = () => void panel.slide();
  at('details').addEventListener('toggle', () => void panel.fill());
}

listen();
if (memory.problem) alertText(memory.problem);
else if (!supportsSimd())
  alertText(new Failure('browser', "this browser's WebAssembly has no SIMD: models can be looked at, not measured"));
if ('serviceWorker' in navigator)
  addEventListener('load', () => void navigator.serviceWorker.register('offline.js').catch(() => undefined));
document.documentElement.dataset.ready = 'true';
