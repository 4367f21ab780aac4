/** Layers in the order of the graph: their bits, and what they do alone. */
import { orDash } from '../parts.ts';
import type { LayerPicture } from '../pictures.ts';
import { formatCount, formatNumber } from '../text.ts';
import type { LayerReport, QuantizeReport } from '../types.ts';
import type { PageSection } from './page.ts';
import { positive, unitOf } from './shared.ts';
import { axis, PAPER, plot, widthColor } from './svg.ts';

/** Names of widths. */
export function widthName(bits: number): string {
  return bits === 0 ? 'left out' : bits === 32 ? 'float' : `${bits} bits`;
}

/** Rows of a layer by width: of a layer that has one, all. */
function shares({ bits: width, rows }: LayerReport): ReadonlyMap<number, number> {
  if (rows === null) return new Map([[width, 1]]);
  const all = rows.reduce((n, r) => n + r.rows, 0);
  return new Map(rows.map((r) => [r.bits, r.rows / all]));
}

/** Width of a layer in words; of rows that differ their mean as well. */
export function widthsOf({ bits, rows }: LayerReport): string {
  if (rows === null) return bits === 32 ? 'float' : String(bits);
  const count = rows.reduce((n, r) => n + r.rows, 0);
  const mean = rows.reduce((n, r) => n + r.rows * r.bits, 0) / count;
  return `${rows[0]!.bits}-${bits}, mean ${mean.toFixed(1)}`;
}

export function bitsSection({ layers, unit }: QuantizeReport): PageSection {
  const widths = [...new Set(layers.flatMap((l) => [...shares(l).keys()]))].sort((a, b) => a - b);
  const damage = unitOf(unit);
  return {
    title: 'Bits, layer by layer',
    text: ['The share of every layer’s rows (output channels) that has each width, first layer to last.'],
    pictures: [
      {
        description: `Stacked bars: share of rows at each width for ${formatCount(layers.length)} layers in the order of the graph.`,
        draw: plot({
          height: 240,
          legend: widths.map(widthName),
          x: layers.map((l) => l.name),
          y: axis('value', 'share of rows', {
            max: 1,
            nameGap: 45,
            axisLabel: { color: 'var(--ink)', formatter: (v: number) => `${Math.round(v * 100)} %` },
          }),
          series: widths.map((b) => ({
            name: widthName(b),
            type: 'bar',
            stack: 'rows',
            barCategoryGap: '15%',
            barMaxWidth: 90,
            itemStyle: { color: widthColor(b), borderColor: PAPER, borderWidth: layers.length > 100 ? 0 : 0.5 },
            data: layers.map((l) => shares(l).get(b) ?? 0),
          })),
        }),
      },
    ],
    table: {
      columns: [
        'layer',
        'operator',
        'weights',
        'bits',
        'rows at each width',
        'bytes',
        'format',
        `alone: ${damage.title}`,
        'largest weight error',
        'why this width',
      ],
      rows: layers.map((l) => [
        l.name,
        l.opType,
        formatCount(l.params),
        widthsOf(l),
        l.rows === null ? 'all alike' : l.rows.map((r) => `${r.bits}: ${formatCount(r.rows)}`).join(', '),
        formatCount(l.bytes),
        l.format ?? 'float',
        l.damage === null ? undefined : `${l.damageMeasured ? '' : '~'}${damage.format(l.damage)}`,
        formatNumber(l.maxError, 3),
        l.rows === null ? l.reason : 'what each row gains',
      ]),
    },
  };
}

/** Curvature of a layer: columns of a table, and its cells. */
const CURVATURE = ['sigma_max', 'condition', 'loss curvature'];
type Curved = Pick<LayerReport, 'spectralCurvature' | 'conditionNumber' | 'lossCurvature'>;
const curvatureCells = (l: Curved) => [
  formatNumber(l.spectralCurvature, 4),
  orDash(l.conditionNumber, (v) => formatNumber(v, 3)),
  orDash(l.lossCurvature, (v) => formatNumber(v, 3)),
];

/**
 * What a layer does alone at some widths, first layer to last.
 * @param curved curvature of the same layers, where the table is to have it
 */
export function sensitivity(
  { unit }: Pick<QuantizeReport, 'unit'>,
  { layers }: { readonly layers: readonly Pick<LayerPicture, 'name' | 'damages'>[] },
  curved?: readonly Curved[],
): PageSection | undefined {
  const widths = [...new Set(layers.flatMap((l) => l.damages.map((d) => d.bits)))].sort((a, b) => a - b);
  if (widths.length === 0) return undefined;
  const damage = unitOf(unit);
  const at = (l: Pick<LayerPicture, 'damages'>, b: number) => l.damages.find((d) => d.bits === b);
  return {
    title: 'Sensitivity: damage of one layer alone',
    text: [
      unit === 'proxy'
        ? 'The proxy of each layer at each width; nothing was measured.'
        : `${damage.title} where one layer has that width and all others stay in float; in the table, ~ marks what follows from the width next to it that was measured.`,
      ...(curved
        ? [
            'sigma_max: norm of the layer as an operator, the seed document’s curvature. Loss curvature: damage over the squared norm of the weight error, at the layer’s own width.',
          ]
        : []),
    ],
    pictures: [
      {
        description: `${damage.title} of each of ${formatCount(layers.length)} layers alone at each width, first to last, on a logarithmic scale.`,
        draw: plot({
          height: 260,
          legend: widths.map(widthName),
          x: layers.map((l) => l.name),
          y: axis('log', damage.axis, { nameGap: 50 }),
          series: widths.map((b) => ({
            name: widthName(b),
            type: 'line',
            symbol: 'circle',
            symbolSize: layers.length > 100 ? 0 : 5,
            itemStyle: { color: widthColor(b) },
            lineStyle: { color: widthColor(b) },
            data: layers.map((l) => {
              const value = positive(at(l, b)?.damage);
              return value === null ? null : value * damage.scale;
            }),
          })),
        }),
      },
    ],
    table: {
      columns: ['layer', ...(curved ? CURVATURE : []), ...widths.map(widthName)],
      rows: layers.map((l, i) => [
        l.name,
        ...(curved ? curvatureCells(curved[i]!) : []),
        ...widths.map((b) => {
          const found = at(l, b);
          return found && `${found.measured || unit === 'proxy' ? '' : '~'}${damage.format(found.damage)}`;
        }),
      ]),
    },
  };
}
