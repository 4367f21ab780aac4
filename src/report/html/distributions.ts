/** Weights and activations as they are spread, the grids they are rounded to, and singular values. */
import { orDash } from '../parts.ts';
import type { ActivationPicture, HistogramPicture, LayerPicture, QuantizePictures } from '../pictures.ts';
import { formatCount, formatNumber, formatPercent } from '../text.ts';
import type { LayerReport, QuantizeReport } from '../types.ts';
import { widthsOf } from './layers.ts';
import type { PageSection, Picture } from './page.ts';
import { positive, unitOf } from './shared.ts';
import { axis, INK, plot, SERIES, shortened, uprights } from './svg.ts';

/** Layers drawn one by one: those that hurt most. The others are in the tables. */
const DRAWN = 12;
/** Spectra in one picture: as many as there are colours. */
const LINES = SERIES.length;
/** Characters of a name under a small picture. */
const CAPTION = 44;
/** Levels past which lines as high as the picture would hide what they stand on. */
const MANY = 64;

/** The layers that do most damage at their widths, in the order of the graph; without damages those with most weights. */
function worst(
  { layers }: QuantizeReport,
  pictures: QuantizePictures,
  most = DRAWN,
): { of: LayerReport; picture: LayerPicture }[] {
  const pairs = layers.map((of, i) => ({ of, picture: pictures.layers[i]! }));
  const ranked = [...pairs].sort(
    (a, b) =>
      (b.of.damage ?? -1) - (a.of.damage ?? -1) || b.of.params - a.of.params || (a.of.name < b.of.name ? -1 : 1),
  );
  const kept = new Set(ranked.slice(0, most));
  return pairs.filter((p) => kept.has(p));
}

/** A histogram, and the values its elements can take. */
function histogram({ from, to, counts }: HistogramPicture, levels: readonly number[]): Picture['draw'] {
  const width = (to - from) / counts.length;
  const ends = levels.length > 0 ? [levels[0]!, levels.at(-1)!] : [];
  const inside = levels.filter((v) => v >= from - width && v <= to + width);
  const most = Math.max(...counts);
  const many = inside.length > MANY;
  const steps = counts.flatMap((c, i) => [
    [from + i * width, c],
    [from + (i + 1) * width, c],
  ]);
  return plot({
    height: 150,
    left: 12,
    x: axis('value', '', {
      min: from - width,
      max: to + width,
      axisLabel: {
        color: INK,
        hideOverlap: true,
        showMinLabel: false,
        showMaxLabel: false,
        formatter: (v: number) => formatNumber(v, 2),
      },
      splitLine: { show: false },
    }),
    y: axis('value', '', {
      max: most,
      axisLabel: { show: false },
      axisTick: { show: false },
      splitLine: { show: false },
    }),
    series: [
      { type: 'line', symbol: 'none', lineStyle: { width: 1 }, areaStyle: { opacity: 0.4 }, data: steps },
      uprights(inside, many ? most * 0.12 : most, SERIES[1], many ? 0.4 : 0.75),
      ...(many
        ? [
            uprights(
              ends.filter((v) => inside.includes(v)),
              most,
              SERIES[1],
              0.75,
            ),
          ]
        : []),
    ],
  });
}

/** Weights of the layers that hurt most, with the grid of most of their rows; all layers in the table. */
export function weightHistograms(report: QuantizeReport, pictures: QuantizePictures): PageSection | undefined {
  const drawn = worst(report, pictures).flatMap(({ of, picture }): Picture[] => {
    const { levels, levelBits, levelShare } = picture;
    if (!picture.histogram) return [];
    const { from, to } = picture.histogram;
    const share = levelShare === 1 || levelShare === null ? '' : ` (${formatPercent(levelShare, 0)} of the rows)`;
    const grid =
      levelBits === null ? (of.bits === 32 ? 'in float' : `${of.bits} bits`) : `grid of ${levelBits} bits${share}`;
    return [
      {
        half: true,
        caption: `${shortened(of.name, CAPTION)}: ${grid}`,
        description: `Histogram of ${formatCount(of.params)} weights of ${of.name} from ${formatNumber(from, 3)} to ${formatNumber(to, 3)}${levels.length === 0 ? '' : `, with a grid of ${formatCount(levels.length)} values from ${formatNumber(levels[0]!, 3)} to ${formatNumber(levels.at(-1)!, 3)}`}.`,
        draw: histogram(picture.histogram, levels),
      },
    ];
  });
  if (drawn.length === 0) return undefined;
  return {
    title: 'Weights, and the grid they are rounded to',
    text: [
      `${drawn.length === report.layers.length ? 'Every layer' : `The ${drawn.length} layers that hurt most; the others are in the table`}. Upright lines are the values that a row with the median scale can take, at the width that most rows have.`,
    ],
    pictures: drawn,
    table: {
      columns: ['layer', 'bits', 'least', 'largest', 'grid from', 'to', 'clipped'],
      rows: report.layers.map((l, i) => {
        const { histogram: own, levels, clipped } = pictures.layers[i]!;
        return [
          l.name,
          widthsOf(l),
          own ? formatNumber(own.from, 4) : undefined,
          own ? formatNumber(own.to, 4) : undefined,
          levels.length > 0 ? formatNumber(levels[0]!, 4) : undefined,
          levels.length > 0 ? formatNumber(levels.at(-1)!, 4) : undefined,
          orDash(clipped, (v) => formatPercent(v)),
        ];
      }),
    },
  };
}

/** How activations are rounded, where they are, and what the inputs of layers look like. */
export function activationSections(report: QuantizeReport, { activations: found }: QuantizePictures): PageSection[] {
  const rounding = activationRounding(report);
  const section = found && activationHistograms(report, found);
  return [...(rounding ? [rounding] : []), ...(section ? [section] : [])];
}

function activationHistograms(
  report: QuantizeReport,
  { values, samples, left }: NonNullable<QuantizePictures['activations']>,
): PageSection | undefined {
  if (values.length === 0) return undefined;
  const damages = new Map(report.layers.map((l) => [l.name, l.damage ?? -1]));
  const worstOf = (v: ActivationPicture) => Math.max(-1, ...v.layers.map((name) => damages.get(name) ?? -1));
  const drawable = values.filter((v) => v.histogram);
  const kept = new Set([...drawable].sort((a, b) => worstOf(b) - worstOf(a)).slice(0, DRAWN));
  const rounded = values.some((v) => v.grid);
  const readers = (v: ActivationPicture, longest = Number.POSITIVE_INFINITY) =>
    v.layers.length === 0
      ? 'between operators'
      : `input of ${v.layers
          .slice(0, 2)
          .map((name) => shortened(name, longest))
          .join(', ')}${v.layers.length > 2 ? ` and ${v.layers.length - 2} more` : ''}`;
  const drawn = drawable
    .filter((v) => kept.has(v))
    .map((v): Picture => {
      const { from, to } = v.histogram!;
      const said = [
        ...(v.zeros >= 0.005 ? [`${formatPercent(v.zeros, 0)} are 0 and not drawn`] : []),
        ...(v.grid ? [`${levelsOf(v).length} integers`] : []),
      ];
      return {
        half: true,
        caption: `${shortened(v.value, CAPTION)}, ${readers(v, CAPTION)}${said.length > 0 ? `; ${said.join('; ')}` : ''}`,
        description: `Histogram of ${v.value}, ${readers(v)}, from ${formatNumber(from, 3)} to ${formatNumber(to, 3)}${v.grid ? `, with the ${levelsOf(v).length} values it is rounded to, ${formatPercent(v.clipped ?? 0)} of it beyond them` : ''}.`,
        draw: histogram(v.histogram!, levelsOf(v)),
      };
    });
  return {
    title: rounded ? 'Activations, and the grid they are rounded to' : 'Activations: the inputs of layers',
    text: [
      `${formatCount(samples)} calibration samples through the original model. ${rounded ? 'Marks at the foot are the values that integers stand for.' : 'They stay in float: only weights are rounded.'}${drawn.length < drawable.length ? ` The ${drawn.length} read by the layers that hurt most are drawn; all are in the table.` : ''}${left > 0 ? ` ${formatCount(left)} more were not counted.` : ''}`,
    ],
    pictures: drawn,
    table: {
      columns: ['value', 'read by', 'least', 'largest', 'exactly 0', 'step', 'grid from', 'to', 'clipped'],
      rows: values.map((v) => {
        const levels = v.grid ? ends(v.grid) : undefined;
        return [
          v.value,
          v.layers.join(', ') || 'other operators',
          formatNumber(v.min, 4),
          formatNumber(v.max, 4),
          formatPercent(v.zeros),
          v.grid ? formatNumber(v.grid.scale, 4) : undefined,
          levels && formatNumber(levels[0], 4),
          levels && formatNumber(levels[1], 4),
          orDash(v.clipped, (c) => formatPercent(c, 3)),
        ];
      }),
    },
  };
}

function ends({ scale, zero, low, high }: NonNullable<ActivationPicture['grid']>): readonly [number, number] {
  return [(low - zero) * scale, (high - zero) * scale];
}

/** The values of a grid that can be told apart in a picture: of 16 bits its ends alone. */
function levelsOf({ grid }: ActivationPicture): readonly number[] {
  if (!grid) return [];
  const { scale, zero, low, high } = grid;
  if (high - low > 255) return ends(grid);
  return Array.from({ length: high - low + 1 }, (_, i) => (low + i - zero) * scale);
}

function activationRounding({ activations: found, unit }: QuantizeReport): PageSection | undefined {
  if (!found) return undefined;
  const damage = unitOf(unit);
  const said = {
    none: 'All activations stay in float.',
    static: `${formatCount(found.operators)} operators multiply integers; ${formatCount(found.values.length)} values are rounded, with constant scales; ranges by ${found.range}.`,
    dynamic: `${formatCount(found.operators)} operators multiply integers; scales are found in every run.`,
  }[found.mode];
  const figures: readonly (readonly [string, number | null])[] = [
    ['weights alone quantized', found.weights],
    ['activations rounded as well', found.together],
    ['predicted for activations, as a sum', found.predicted],
    ['most that was allowed', found.limit],
  ];
  const float = (found.groups ?? []).filter((g) => g.bits === 32);
  return {
    title: 'Activations as integers',
    text: [
      found.work === undefined ? said : `${said} ${formatPercent(found.work)} of the multiply-adds are of integers.`,
      ...inFloat(
        'Layers',
        found.left.map((l) => [l.layer, l.reason]),
      ),
      ...inFloat(
        'Values',
        float.map((g) => [g.name, g.reason ?? '']),
      ),
    ],
    ...(figures.some(([, v]) => v !== null) && {
      table: {
        columns: ['on the samples that judge plans', damage.title],
        rows: figures.filter(([, v]) => v !== null).map(([name, v]) => [name, damage.format(v)]),
      },
    }),
  };
}

/** What stays in float, a sentence a reason. */
function inFloat(what: string, left: readonly (readonly [name: string, reason: string])[]): string[] {
  const reasons = new Map<string, string[]>();
  for (const [name, reason] of left) reasons.set(reason, [...(reasons.get(reason) ?? []), name]);
  return [...reasons].map(([reason, names]) => {
    const more = names.length > 6 ? ` and ${names.length - 6} more` : '';
    return `${what} in float: ${names.slice(0, 6).join(', ')}${more}: ${reason}.`;
  });
}

/** Of descending values the share of the first ones that carry so much of the sum of squares. */
function carrying(values: readonly number[], share: number): number {
  const all = values.reduce((n, v) => n + v * v, 0);
  let sum = 0;
  const at = values.findIndex((v) => {
    sum += v * v;
    return sum >= share * all;
  });
  return (at + 1) / values.length;
}

export function spectra(report: QuantizeReport, pictures: QuantizePictures): PageSection | undefined {
  const known = ({ picture }: { picture: LayerPicture }) => picture.singular?.some((s) => s > 0) === true;
  const all = report.layers.map((of, i) => ({ of, picture: pictures.layers[i]! })).filter(known);
  const drawn = worst(report, pictures, LINES).filter(known);
  if (drawn.length === 0) return undefined;
  return {
    title: 'Singular values',
    text: [
      `Of the row form of each weight, largest first: the faster they fall, the fewer directions carry the layer.${drawn.length < all.length ? ` The ${drawn.length} layers that hurt most are drawn; all are in the table.` : ''}`,
    ],
    pictures: [
      {
        description: `Singular values of ${drawn.map(({ of }) => of.name).join(', ')}, descending, on a logarithmic scale.`,
        draw: plot({
          height: 280,
          legend: drawn.map(({ of }) => shortened(of.name, 30)),
          x: axis('value', 'position from the largest to the smallest', {
            min: 0,
            max: 1,
            nameGap: 30,
            axisLabel: { color: INK, formatter: (v: number) => `${Math.round(v * 100)} %` },
          }),
          y: axis('log', 'singular value', { nameGap: 50 }),
          series: drawn.map(({ of, picture }, i) => ({
            name: shortened(of.name, 30),
            type: 'line',
            symbol: 'none',
            lineStyle: { width: 1.5, type: (['solid', 'dashed', 'dotted'] as const)[i % 3] },
            data: picture.singular!.flatMap((s, j) =>
              positive(s) === null ? [] : [[j / Math.max(1, picture.singular!.length - 1), s]],
            ),
          })),
        }),
      },
    ],
    table: {
      columns: ['layer', 'largest', 'median', 'smallest', 'share of directions with 90 % of the squares'],
      rows: all.map(({ of, picture }) => {
        const values = picture.singular!;
        return [
          of.name,
          formatNumber(values[0]!, 4),
          formatNumber(values[values.length >> 1]!, 4),
          formatNumber(values.at(-1)!, 4),
          formatPercent(carrying(values, 0.9), 0),
        ];
      }),
    },
  };
}
