/** `kappa quantize`'s report as a page. */
import { widthSet } from '../parts.ts';
import type { QuantizePictures } from '../pictures.ts';
import { formatBytes, formatCount, formatNumber, formatPercent, formatRatio } from '../text.ts';
import type { Label, Made, QuantizeReport } from '../types.ts';
import { activationSections, spectra, weightHistograms } from './distributions.ts';
import { bitsSection, sensitivity } from './layers.ts';
import { pageHtml } from './html.ts';
import type { Page, PageFigure, PageSection } from './page.ts';
import { frontier, metricRanks, predicted } from './plans.ts';
import { runtimesSection } from './runtimes.ts';
import { againSection, guaranteesSection, leftSection, unitOf, withError } from './shared.ts';

/** What the page of `quantize` is made of. */
export interface QuantizePageInput {
  readonly report: QuantizeReport;
  readonly pictures: QuantizePictures;
  /** The command, or the call, that makes the same again. */
  readonly command: string;
  /** The same in full, with versions and checksums, where they are known. */
  readonly made?: Made | undefined;
}

/** One self-contained HTML file: see `pageHtml`. */
export function quantizeHtml(input: QuantizePageInput): string {
  return pageHtml(quantizePage(input));
}

/** The page of `quantize`. */
export function quantizePage({ report, pictures, command, made }: QuantizePageInput): Page {
  const { model, output } = report;
  const unit = unitOf(report.unit);
  const round = report.activations?.mode === 'static' || report.activations?.mode === 'dynamic';
  return {
    title: `${model.name}: ${formatBytes(model.bytes)} to ${formatBytes(output.bytes)}`,
    figures: figures(report),
    text: [
      `${formatCount(model.quantizable)} weights in ${formatCount(model.layers)} ${model.layers === 1 ? 'layer' : 'layers'}${round ? ', activations rounded to integers' : ''}; widths ${widthSet(report.widths)}, metric ${report.metric}, format ${output.format || 'none'} for target ${output.target}, opset ${output.opset}. ${dataText(report)}`,
      unit.words,
      ...Object.entries(report.images ?? {}).map(([data, how]) => sentence(`${data} images: ${how}`)),
      ...(report.dataFree === null ? [] : [`DATA-FREE: ${report.dataFree}`]),
      ...(report.cannotRun === undefined ? [] : [`The model cannot be run here: ${report.cannotRun}`]),
      ...(report.rowsNote === null ? [] : [sentence(report.rowsNote)]),
      ...report.notes.map(sentence),
    ],
    sections: [
      frontier(report, pictures),
      heldOut(report),
      guaranteesSection(report.guarantees),
      bitsSection(report),
      sensitivity(report, pictures, report.layers),
      predicted(report),
      weightHistograms(report, pictures),
      ...activationSections(report, pictures),
      spectra(report, pictures),
      tuning(report),
      runtimesSection(report.verification),
      bytesOf(report),
      metricRanks(report),
      leftSection(report.left),
      againSection(report, command, made),
    ].filter((s) => s !== undefined),
    data: { ...report, pictures, ...(made && { made }) },
  };
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

function dataText({ calibration, dataFree, evaluation }: QuantizeReport): string {
  if (calibration === null) return 'No calibration data: the widths follow the weights alone, no damage was measured.';
  const held = evaluation ? ` and run on ${formatCount(evaluation.samples)} held-out ones` : '; no held-out data';
  return `Calibrated on ${formatCount(calibration.samples)} ${dataFree === null ? 'samples' : 'DRAWN samples'}, plans judged by ${formatCount(calibration.judged)}${held}.`;
}

function figures(report: QuantizeReport): PageFigure[] {
  const { model, output, unit, damage, evaluation } = report;
  const { title, format } = unitOf(unit);
  const measured: Label = report.dataFree === null ? 'measured' : 'proxy';
  const own = (): PageFigure[] => {
    if (damage.heldOut !== null) {
      const reference = evaluation?.reference;
      const error = (unit === 'kl' ? reference?.klError : reference?.squaredErrorInterval) ?? null;
      return [
        { value: withError(damage.heldOut, error, format)!, name: `${title} on held-out data`, label: 'measured' },
      ];
    }
    if (damage.together !== null) {
      const error = report.allocations[0]?.damageError ?? null;
      const data = report.dataFree === null ? 'calibration data' : 'drawn inputs';
      return [{ value: withError(damage.together, error, format)!, name: `${title} on ${data}`, label: measured }];
    }
    return damage.predicted === null
      ? []
      : [{ value: format(damage.predicted)!, name: `${title}, predicted`, label: 'proxy' }];
  };
  const [chosen] = report.allocations;
  const uniform = report.allocations.find((a) => a.name === 'uniform');
  const better =
    chosen && uniform && chosen !== uniform && uniform.damage !== null && chosen.damage !== null && chosen.damage > 0
      ? uniform.damage / chosen.damage
      : null;
  const after = evaluation?.accuracy ?? null;
  const before = evaluation?.reference?.accuracy ?? null;
  return [
    {
      value: `${formatRatio(output.ratio)} smaller`,
      name: `${formatBytes(model.bytes)} to ${formatBytes(output.bytes)}`,
    },
    { value: report.averageBits.toFixed(2), name: 'bits a weight, scales counted' },
    ...own(),
    ...(better === null
      ? []
      : [
          {
            value: `${formatRatio(better)} as much`,
            name: 'damage of uniform widths in the same bytes',
            label: measured,
          },
        ]),
    ...(after === null || before === null
      ? []
      : [{ value: formatPercent(after), name: `accuracy, was ${formatPercent(before)}`, label: 'measured' as const }]),
  ];
}

function tuning({ tuning: found, unit }: QuantizeReport): PageSection | undefined {
  if (found === null) return undefined;
  const { title, format } = unitOf(unit);
  const { steps, kept, batch } = found;
  const row = (name: string, { samples, before, after }: typeof found.tuning) => [
    name,
    formatCount(samples),
    format(before),
    format(after),
  ];
  return {
    title: 'Tuning',
    text: [
      `Codes, scales, biases and norms trained towards the original’s outputs: ${formatCount(kept)} of ${formatCount(steps)} steps of ${formatCount(batch)} samples kept, those with the least damage on the part held out.`,
    ],
    table: {
      columns: ['part of the calibration data', 'samples', `${title} before`, 'after'],
      rows: [row('trained on', found.tuning), row('held out, which decides', found.heldOut)],
    },
  };
}

function bytesOf({ output, layers }: QuantizeReport): PageSection {
  const { parts, halves } = output;
  const named = [
    ['codes', parts.codes],
    ['scales', parts.scales],
    ['zero points', parts.zeros],
    ['order of rows', parts.order],
    ['layers in float', parts.floats],
    ['all else', parts.rest],
  ] as const;
  const reasons = new Map<string, number>();
  for (const { format, formatReason } of layers)
    if (format !== null)
      reasons.set(`${format}: ${formatReason}`, (reasons.get(`${format}: ${formatReason}`) ?? 0) + 1);
  return {
    title: 'Bytes of the file',
    text: [
      ...[...reasons].map(([why, n]) => `Format ${why} (${formatCount(n)} ${n === 1 ? 'layer' : 'layers'}).`),
      ...(halves === null
        ? []
        : [
            `${formatCount(halves.tensors)} tensors that are not quantized are stored as fp16: ${formatBytes(halves.before - halves.after)} less; ${formatCount(halves.kept.length)} stay fp32.`,
          ]),
    ],
    table: {
      columns: ['part', 'bytes', 'share'],
      rows: named.filter(([, n]) => n > 0).map(([name, n]) => [name, formatCount(n), formatPercent(n / output.bytes)]),
    },
  };
}

function heldOut({ evaluation }: QuantizeReport): PageSection | undefined {
  const reference = evaluation?.reference;
  if (!evaluation || !reference) return undefined;
  const kl = unitOf('kl');
  const rows: (readonly [string, string | undefined, string | undefined])[] = [
    ['accuracy', percent(reference.accuracy), percent(evaluation.accuracy)],
    ['cross-entropy, nats', number(reference.crossEntropy, 5), number(evaluation.crossEntropy, 5)],
    [`${kl.title}, nats`, undefined, withError(reference.kl, reference.klError, kl.format)],
    ['predictions changed', undefined, percent(reference.flips)],
    [
      'squared error / squared norm',
      undefined,
      withError(reference.relativeSquaredError, reference.squaredErrorInterval, (v) => number(v, 3)),
    ],
    ['largest error of an output', undefined, number(reference.maxError, 3)],
  ];
  return {
    title: `Held-out data: ${formatCount(evaluation.samples)} samples`,
    text: ['The written file, run beside the original. ±: 95 % interval over samples (normal approximation).'],
    table: { columns: ['measure', 'original', 'quantized'], rows: rows.filter(([, , v]) => v !== undefined) },
  };
}

const percent = (v: number | null) => (v === null ? undefined : formatPercent(v));
const number = (v: number | null, digits: number) => (v === null ? undefined : formatNumber(v, digits));
