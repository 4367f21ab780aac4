/** The file that was made: its figures, downloads, and how it does beside the original. */
import { breath } from '../src/progress.ts';
import { damageIn } from '../src/report/parts.ts';
import { formatBytes, formatNumber, formatPercent, formatRatio } from '../src/report/text.ts';
import { Client, type OnProgress } from './client.ts';
import { announce, at, button, download, element, show } from './dom.ts';
import type { Calls, CheckCalls, Comparison, DrawCalls } from './protocol.ts';

export interface Made {
  readonly result: Calls['quantize']['give'];
  /** Budget it was made for. */
  readonly bits: number;
  /** Name of the model it was made from. */
  readonly name: string;
  /** Whether there are samples to compare it on. */
  readonly samples: boolean;
}

const stem = (name: string): string => name.replace(/\.onnx$/i, '');

export function showMade({ result, samples }: Made): void {
  const { report, file } = result;
  const damage = damageIn(report.unit);
  const { together, predicted } = report.damage;
  const { calibration } = report;
  const apart = calibration !== null && calibration.judged < calibration.samples;
  const how =
    together === null
      ? `${damage.title}, predicted`
      : report.dataFree === null
        ? `${damage.title}, measured on ${apart ? 'samples held back' : 'the samples'}`
        : `${damage.title}, on drawn inputs: a guess`;
  const figures: readonly (readonly [string, string])[] = [
    ['file', formatBytes(file.size)],
    ['smaller', formatRatio(report.output.ratio)],
    ['bits a weight', formatNumber(report.averageBits, 3)],
    [how, damage.format(together ?? predicted) ?? '-'],
  ];
  at('result').replaceChildren(
    ...figures.map(([name, value]) => element('div', '', element('dt', name), element('dd', value))),
  );
  at('compared').textContent = '';
  at('outputs').replaceChildren();
  show('sample-row', samples);
  button('compare').textContent = samples ? 'compare outputs' : 'check that onnxruntime-web opens it';
}

export function saveModel({ result, bits, name }: Made): void {
  download(`${stem(name)}-${bits}b.onnx`, result.file);
}

export async function saveReport(artist: Client<DrawCalls>, { result, bits, name }: Made): Promise<void> {
  const { report, pictures } = result;
  const command = `kappa quantize ${name} --bits ${bits}`;
  download(`${stem(name)}.html`, await artist.call('report', { report, pictures, command }));
}

export function savePlan(name: string, plan: object): void {
  download(`${stem(name)}-plan.json`, new Blob([`${JSON.stringify(plan, null, 2)}\n`], { type: 'application/json' }));
}

/** What onnxruntime-web says of the file; a sentence. Its worker, and the memory it took, are given back. */
export async function checked(
  { result }: Made,
  comparison: Comparison | undefined,
  progress: OnProgress,
  cancelled: (end: () => void) => void,
): Promise<string> {
  const client = new Client<CheckCalls>('runtime.js');
  cancelled(() => client.end());
  try {
    const { difference, milliseconds } = await client.call('check', { file: result.file, comparison }, progress);
    if (!comparison) return 'onnxruntime-web opens the file in this page.';
    return `onnxruntime-web runs the file in this page (${formatNumber(milliseconds, 2)} ms) and agrees with Kappa within ${difference.toExponential(1)}.`;
  } catch (error) {
    return `onnxruntime-web could not be asked: ${error instanceof Error ? error.message : error}`;
  } finally {
    client.end();
  }
}

/** Shows both outputs of one sample, and what onnxruntime-web said. */
export async function showCompared(artist: Client<DrawCalls>, found: Comparison, runtime: string): Promise<void> {
  const { original, quantized } = found;
  at('outputs').innerHTML = await artist.call('outputs', found);
  await breath();
  const largest = original.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  const apart = original.reduce((m, v, i) => Math.max(m, Math.abs(v - quantized[i]!)), 0);
  const share = largest > 0 ? `, ${formatPercent(apart / largest)} of the largest value` : '';
  const said = `Sample ${found.sample} of ${found.samples}: largest difference of ${found.output} ${formatNumber(apart, 3)}${share}.`;
  at('compared').textContent = `${said} ${runtime}`;
  announce('outputs compared');
}
