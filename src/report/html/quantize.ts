/** `kappa quantize`'s report as a page. */
import { averageText, damageIn, significant, widthSet } from '../parts.ts';
import type { LayerPicture, QuantizePictures } from '../pictures.ts';
import { formatBytes, formatCount, formatNumber, formatPercent, formatRatio } from '../text.ts';
import type { LayerReport, QuantizeReport } from '../types.ts';
import { pageHtml } from './html.ts';
import type { Page, PageSection, Picture } from './page.ts';
import { axis, INK, SERIES } from './svg.ts';

/** Layers drawn one by one: those that hurt most. The others are in the tables. */
const DRAWN = 12;
/** Layers along one axis past which names are left out. */
const NAMED = 24;

export interface QuantizePageInput {
  readonly report: QuantizeReport;
  readonly pictures: QuantizePictures;
  /** The command, or the call, that makes the same again. */
  readonly command: string;
}

/** One self-contained HTML file: see `pageHtml`. */
export function quantizeHtml(input: QuantizePageInput): string {
  return pageHtml(quantizePage(input));
}

export function quantizePage({ report, pictures, command }: QuantizePageInput): Page {
  const { model, output } = report;
  const damage = damageIn(report.unit);
  const held = report.damage.heldOut ?? report.damage.together ?? report.damage.predicted;
  const how =
    report.damage.heldOut !== null ? 'held out' : report.damage.together !== null ? 'calibration data' : 'predicted';
  const accuracy = report.evaluation?.accuracy ?? null;
  const before = report.evaluation?.reference?.accuracy ?? null;
  return {
    title: `${model.name}: ${formatBytes(model.bytes)} to ${formatBytes(output.bytes)}`,
    figures: [
      { value: `${formatRatio(output.ratio)}`, name: 'smaller' },
      { value: formatNumber(report.averageBits, 4), name: 'bits a weight, scales counted' },
      { value: damage.format(held) ?? '-', name: `${damage.title}, ${how}` },
      ...(accuracy === null || before === null
        ? []
        : [{ value: formatPercent(accuracy), name: `accuracy, from ${formatPercent(before)}` }]),
    ],
    text: [
      `${averageText(report.averageBits)} over ${formatCount(model.quantizable)} weights in ${formatCount(model.layers)} layers; widths ${widthSet(report.widths)}, metric ${report.metric}, format ${output.format}, opset ${output.opset}.`,
      ...(report.dataFree === null ? [] : [`DATA-FREE: ${report.dataFree}`]),
      ...(report.cannotRun === undefined ? [] : [`The model cannot be run here: ${report.cannotRun}`]),
      ...(report.rowsNote === null ? [] : [report.rowsNote]),
      ...report.notes,
    ],
    sections: [
      guarantees(report),
      frontier(report, pictures),
      bits(report),
      sensitivity(report, pictures),
      predicted(report),
      histograms(report, pictures),
      spectra(report, pictures),
      bytesOf(report),
      heldOut(report),
      { title: 'How to make it again', text: [`kappa ${report.kappa}`], code: command },
    ].filter((s) => s !== undefined),
    data: { ...report, pictures },
  };
}

function guarantees({ guarantees: list }: QuantizeReport): PageSection | undefined {
  if (list.length === 0) return undefined;
  return {
    title: 'What is known, and how',
    items: list.map(({ label, statement, value, samples }) => ({
      mark: `[${label}]`,
      text: `${statement}${value === null ? '' : `: ${formatNumber(value)}`}${samples === null ? '' : ` (${formatCount(samples)} samples)`}`,
    })),
  };
}

const GRID = { left: 70, right: 20, top: 40, bottom: 60 };
const LEGEND = { top: 0, itemGap: 26, textStyle: { color: INK } };

function unitName(unit: QuantizeReport['unit']): string {
  return unit === 'kl' ? 'KL (nats)' : damageIn(unit).title;
}

const shown = (name: string): string => (name.length > 28 ? `...${name.slice(-25)}` : name);

/** Points of a line, those that a logarithmic axis can show. */
function positive<T>(list: readonly T[], x: (t: T) => number, y: (t: T) => number | null): number[][] {
  return list.flatMap((t) => {
    const v = y(t);
    return v !== null && v > 0 && Number.isFinite(v) ? [[x(t), v]] : [];
  });
}

function frontier(report: QuantizeReport, { frontier: lines }: QuantizePictures): PageSection | undefined {
  const { allocations, unit } = report;
  const damage = damageIn(unit);
  const most = Math.max(8.5, ...allocations.map((a) => a.averageBits));
  const near = <T extends { readonly averageBits: number }>(list: readonly T[]): T[] =>
    list.filter((p) => p.averageBits <= most);
  const predictedOf = (p: { readonly predicted: number | null }) => p.predicted;
  const bitsOf = (p: { readonly averageBits: number }) => p.averageBits;
  const [chosen, ...others] = allocations;
  const marks = [
    { name: `${chosen?.name}, measured: the plan`, of: chosen ? [chosen] : [], symbol: 'diamond', size: 16 },
    { name: 'uniform, measured', of: others.filter((a) => a.name === 'uniform'), symbol: 'rect', size: 10 },
    { name: 'other plans, measured', of: others.filter((a) => a.name !== 'uniform'), symbol: 'circle', size: 7 },
  ].filter(({ of }) => of.some((a) => a.damage !== null));
  const series = [
    {
      name: 'chosen by layer, predicted',
      type: 'line',
      symbol: 'none',
      data: positive(near(lines.guided), bitsOf, predictedOf),
    },
    {
      name: 'uniform, predicted',
      type: 'line',
      symbol: 'none',
      lineStyle: { type: 'dashed' },
      data: positive(near(lines.uniform), bitsOf, predictedOf),
    },
    ...marks.map(({ name, of, symbol, size }) => ({
      name,
      type: 'scatter',
      symbol,
      symbolSize: size,
      data: positive(of, bitsOf, (p) => p.damage),
    })),
  ];
  if (series.every((s) => s.data.length === 0)) return undefined;
  return {
    title: 'Damage against size',
    text: [
      'Lines: what the cost table predicts of a width for every layer. Marks: plans measured with all layers quantized together.',
    ],
    pictures: [
      {
        description: `Damage (${damage.title}) against average bits, of chosen widths and of uniform ones; the same figures are in the table below.`,
        height: 380,
        option: {
          grid: { ...GRID, top: 70 },
          legend: LEGEND,
          xAxis: axis('value', 'average bits a weight', { scale: true, nameGap: 30 }),
          yAxis: axis('log', unitName(unit), { nameGap: 50 }),
          series,
        },
      },
    ],
    table: {
      columns: ['plan', 'average bits', 'bytes', damage.title, 'predicted', 'samples'],
      rows: allocations.map((a) => [
        a.name,
        formatNumber(a.averageBits, 4),
        formatCount(a.bytes),
        damage.format(a.damage),
        damage.format(a.predicted),
        a.samples === undefined ? 'all' : formatCount(a.samples),
      ]),
    },
    open: true,
  };
}

/** Rows of a layer by width: of a layer that has one, all. */
function shares({ bits: width, rows }: LayerReport): ReadonlyMap<number, number> {
  if (rows === null) return new Map([[width, 1]]);
  const all = rows.reduce((n, r) => n + r.rows, 0);
  return new Map(rows.map((r) => [r.bits, r.rows / all]));
}

/** Names along an axis, where there is room for them. */
function names(layers: readonly { readonly name: string }[]): object {
  return {
    data: layers.map((l) => shown(l.name)),
    axisLabel: { show: layers.length <= NAMED, rotate: 40, color: INK },
  };
}

function bits({ layers }: QuantizeReport): PageSection {
  const widths = [...new Set(layers.flatMap((l) => [...shares(l).keys()]))].sort((a, b) => a - b);
  return {
    title: 'Bits, layer by layer',
    text: ['In the order of the graph: the share of every layer’s rows (output channels) that has each width.'],
    pictures: [
      {
        description:
          'Share of rows at each width for every layer, in the order of the graph; the table has each layer.',
        height: layers.length <= NAMED ? 360 : 280,
        option: {
          grid: { ...GRID, bottom: layers.length <= NAMED ? 110 : 40 },
          legend: LEGEND,
          xAxis: axis('category', layers.length <= NAMED ? '' : 'layers, first to last', {
            ...names(layers),
            nameGap: 20,
          }),
          yAxis: axis('value', 'share of rows', { max: 1, nameGap: 45 }),
          series: widths.map((b, i) => ({
            name: b === 0 ? 'left out' : b === 32 ? 'float' : `${b} bits`,
            type: 'bar',
            stack: 'rows',
            barCategoryGap: '15%',
            itemStyle: { color: SERIES[i % SERIES.length], opacity: i < SERIES.length ? 0.9 : 0.5 },
            data: layers.map((l) => shares(l).get(b) ?? 0),
          })),
        },
      },
    ],
    table: {
      columns: [
        'layer',
        'operator',
        'weights',
        'bits',
        'bytes',
        'sigma_max',
        'condition',
        'damage',
        'largest error',
        'why',
      ],
      rows: layers.map((l) => [
        l.name,
        l.opType,
        formatCount(l.params),
        l.rows === null ? String(l.bits) : l.rows.map((r) => `${r.bits}x${r.rows}`).join(' '),
        formatCount(l.bytes),
        formatNumber(l.spectralCurvature, 4),
        l.conditionNumber === null ? undefined : formatNumber(l.conditionNumber, 3),
        l.damage === null ? undefined : formatNumber(l.damage, 3),
        formatNumber(l.maxError, 3),
        l.reason,
      ]),
    },
  };
}

function sensitivity(report: QuantizeReport, { layers }: QuantizePictures): PageSection | undefined {
  const widths = [...new Set(layers.flatMap((l) => l.damages.map((d) => d.bits)))].sort((a, b) => a - b).slice(0, 6);
  const at = (l: LayerPicture, b: number) => l.damages.find((d) => d.bits === b)?.damage ?? null;
  if (widths.length === 0) return undefined;
  const damage = damageIn(report.unit);
  return {
    title: 'Sensitivity: damage of one layer alone',
    text: [
      `What the network’s output loses when one layer has that width and all others stay in float (${damage.title}).`,
    ],
    pictures: [
      {
        description: 'Damage of every layer alone at each width, on a logarithmic scale; the table has the figures.',
        height: layers.length <= NAMED ? 380 : 300,
        option: {
          grid: { ...GRID, bottom: layers.length <= NAMED ? 110 : 40 },
          legend: LEGEND,
          xAxis: axis('category', layers.length <= NAMED ? '' : 'layers, first to last', {
            ...names(layers),
            nameGap: 20,
          }),
          yAxis: axis('log', unitName(report.unit), { nameGap: 50 }),
          series: widths.map((b) => ({
            name: `${b} bits`,
            type: 'line',
            symbolSize: 5,
            data: layers.map((l) => {
              const v = at(l, b);
              return v !== null && v > 0 ? v : null;
            }),
          })),
        },
      },
    ],
    table: {
      columns: ['layer', ...widths.map((b) => `${b} bits`)],
      rows: layers.map((l) => [l.name, ...widths.map((b) => damage.format(at(l, b)))]),
    },
  };
}

function predicted({ allocations, unit, ranks }: QuantizeReport): PageSection | undefined {
  const both = allocations.filter((a) => a.damage !== null && a.predicted !== null && a.damage > 0 && a.predicted > 0);
  if (both.length < 2) return undefined;
  const all = both.flatMap((a) => [a.damage!, a.predicted!]);
  const ends = [Math.min(...all), Math.max(...all)];
  const name = unitName(unit);
  return {
    title: 'Predicted against measured',
    text: [
      'A sum over layers against all layers quantized together; on the line they would agree.',
      ...ranks.map((r) => `${r.metric}: rank correlation ${formatNumber(r.correlation, 3)} over ${r.plans} plans.`),
    ],
    pictures: [
      {
        description:
          'Measured damage of every plan against the damage predicted for it; figures are in the table of plans above.',
        height: 340,
        half: true,
        option: {
          grid: { ...GRID, top: 20 },
          xAxis: axis('log', `predicted ${name}`, { nameGap: 30 }),
          yAxis: axis('log', `measured ${name}`, { nameGap: 50 }),
          series: [
            {
              type: 'line',
              symbol: 'none',
              lineStyle: { type: 'dashed', color: SERIES[5] },
              data: ends.map((v) => [v, v]),
            },
            { type: 'scatter', symbolSize: 10, data: both.map((a) => [a.predicted!, a.damage!]) },
          ],
        },
      },
    ],
  };
}

/** The layers whose damage at their widths is largest; without damages those with most weights. */
function worst({ layers }: QuantizeReport, pictures: QuantizePictures): { of: LayerReport; picture: LayerPicture }[] {
  const pairs = layers.map((of, i) => ({ of, picture: pictures.layers[i]! }));
  const ranked = [...pairs].sort(
    (a, b) =>
      (b.of.damage ?? -1) - (a.of.damage ?? -1) ||
      b.of.params - a.of.params ||
      a.of.name.localeCompare(b.of.name, 'en'),
  );
  const kept = new Set(ranked.slice(0, DRAWN));
  return pairs.filter((p) => kept.has(p));
}

function histograms(report: QuantizeReport, pictures: QuantizePictures): PageSection | undefined {
  const drawn = worst(report, pictures).flatMap(({ of, picture }): Picture[] => {
    const { histogram, levels } = picture;
    if (!histogram) return [];
    const { from, to, counts } = histogram;
    const width = (to - from) / counts.length;
    const inside = levels.filter((v) => v >= from - width && v <= to + width);
    return [
      {
        half: true,
        height: 190,
        caption: `${of.name}, ${of.bits} bits`,
        description: `Histogram of ${formatCount(of.params)} weights of ${of.name} between ${formatNumber(from, 3)} and ${formatNumber(to, 3)}, with ${levels.length} grid values of its median row.`,
        option: {
          grid: { left: 55, right: 15, top: 10, bottom: 30 },
          xAxis: axis('value', '', {
            min: from - width,
            max: to + width,
            axisLabel: { color: INK, hideOverlap: true, formatter: (v: number) => formatNumber(v, 2) },
          }),
          yAxis: axis('value', '', { splitLine: { show: false } }),
          series: [
            {
              type: 'line',
              step: 'middle',
              symbol: 'none',
              areaStyle: { opacity: 0.35 },
              data: counts.map((c, i) => [from + (i + 0.5) * width, c]),
              markLine: {
                silent: true,
                precision: 12,
                symbol: 'none',
                label: { show: false },
                lineStyle: { color: SERIES[1], type: 'solid', width: 1, opacity: inside.length > 64 ? 0.25 : 0.7 },
                data: inside.map((v) => ({ xAxis: v })),
              },
            },
          ],
        },
      },
    ];
  });
  if (drawn.length === 0) return undefined;
  return {
    title: 'Weights, and the grid they are rounded to',
    text: [
      `${drawn.length === report.layers.length ? 'Every layer' : `The ${drawn.length} layers that hurt most`}; lines are the values that the row with the median scale can take.`,
    ],
    pictures: drawn,
  };
}

function spectra(report: QuantizeReport, pictures: QuantizePictures): PageSection | undefined {
  const drawn = worst(report, pictures).filter(({ picture }) => picture.singular?.some((s) => s > 0));
  if (drawn.length === 0) return undefined;
  return {
    title: 'Singular values',
    text: [
      'Of the row form of each weight, largest first: how fast they fall says how few directions carry the layer.',
    ],
    pictures: [
      {
        description:
          'Singular values of the layers drawn above, descending, on a logarithmic scale; the largest of each is in the table of layers.',
        height: 360,
        option: {
          grid: { ...GRID, right: 220 },
          legend: { ...LEGEND, orient: 'vertical', right: 0, top: 10, textStyle: { color: INK, fontSize: 11 } },
          xAxis: axis('value', 'position, share of all', { min: 0, max: 1, nameGap: 30 }),
          yAxis: axis('log', 'singular value', { nameGap: 50 }),
          series: drawn.map(({ of, picture }, i) => ({
            name: shown(of.name),
            type: 'line',
            symbol: 'none',
            lineStyle: { width: 1.5, type: i < SERIES.length ? 'solid' : 'dashed' },
            data: positive(
              picture.singular!.map((s, j) => [j / Math.max(1, picture.singular!.length - 1), s] as const),
              ([x]) => x,
              ([, y]) => y,
            ),
          })),
        },
      },
    ],
  };
}

function bytesOf({ output }: QuantizeReport): PageSection {
  const { parts } = output;
  const named = [
    ['codes', parts.codes],
    ['scales', parts.scales],
    ['zero points', parts.zeros],
    ['order of rows', parts.order],
    ['layers in float', parts.floats],
    ['all else', parts.rest],
  ] as const;
  return {
    title: 'Bytes of the file',
    table: {
      columns: ['part', 'bytes', 'share'],
      rows: named.filter(([, n]) => n > 0).map(([name, n]) => [name, formatCount(n), formatPercent(n / output.bytes)]),
    },
  };
}

function heldOut({ evaluation }: QuantizeReport): PageSection | undefined {
  const reference = evaluation?.reference;
  if (!evaluation || !reference) return undefined;
  const rows: (readonly [string, number | null, number | null, (v: number) => string])[] = [
    ['accuracy', reference.accuracy, evaluation.accuracy, (v) => formatPercent(v)],
    ['cross-entropy, nats', reference.crossEntropy, evaluation.crossEntropy, (v) => formatNumber(v, 5)],
    ['KL x 10^3, nats', null, reference.kl, (v) => significant(v * 1e3)],
    ['predictions changed', null, reference.flips, (v) => formatPercent(v)],
    ['squared error / squared norm', null, reference.relativeSquaredError, (v) => formatNumber(v, 3)],
    ['largest error', null, reference.maxError, (v) => formatNumber(v, 3)],
  ];
  return {
    title: `Held-out data: ${formatCount(evaluation.samples)} samples`,
    text: ['The written file, run beside the original.'],
    table: {
      columns: ['measure', 'original', 'quantized'],
      rows: rows
        .filter(([, , v]) => v !== null)
        .map(([name, a, b, format]) => [name, a === null ? undefined : format(a), b === null ? undefined : format(b)]),
    },
  };
}
