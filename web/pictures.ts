/** The studio's pictures as SVG. */
import { axis, INK, svgOf } from '../src/report/html/svg.ts';
import { damageIn } from '../src/report/parts.ts';
import type { Budget } from './budget.ts';
import type { Comparison, Measured, Solved } from './protocol.ts';

const LEGEND = { top: 0, itemGap: 26, textStyle: { color: INK } };

export function frontierSvg(
  { guided, uniform }: ReturnType<Budget['frontier']>,
  { averageBits, predicted }: Pick<Solved['plan'], 'averageBits' | 'predicted'>,
  unit: Measured['table']['unit'],
): string {
  const { title, scale } = damageIn(unit);
  const shown = (points: number[][]) => points.map(([bits, damage]) => [bits, damage! * scale]);
  const option = {
    grid: { left: 70, right: 20, top: 40, bottom: 50 },
    legend: LEGEND,
    xAxis: axis('value', 'average bits a weight', { scale: true, nameGap: 30 }),
    yAxis: axis('log', `predicted ${title}`, { nameGap: 50 }),
    series: [
      { name: 'chosen by layer', type: 'line', step: 'end', symbol: 'none', data: shown(guided) },
      {
        name: 'uniform',
        type: 'line',
        step: 'end',
        symbol: 'none',
        lineStyle: { type: 'dashed' },
        data: shown(uniform),
      },
      {
        name: 'this plan',
        type: 'scatter',
        symbolSize: 12,
        data: shown(predicted > 0 ? [[averageBits, predicted]] : []),
      },
    ],
  };
  return svgOf(option, 900, 280, 'frontier');
}

/** Values past which points have no symbols: a page takes long to draw very many. */
const MARKED = 64;

export function outputsSvg({ output, original, quantized }: Comparison): string {
  const points = (values: Float32Array) => Array.from(values, (v, i) => [i, v]);
  const marks = original.length > MARKED ? { symbol: 'none' } : {};
  const option = {
    grid: { left: 70, right: 20, top: 40, bottom: 40 },
    legend: LEGEND,
    xAxis: axis('value', `values of ${output}`, { nameGap: 25, minInterval: 1 }),
    yAxis: axis('value', ''),
    series: [
      { name: 'original', type: 'line', symbolSize: 7, ...marks, data: points(original) },
      {
        name: 'quantized',
        type: 'line',
        symbolSize: 5,
        ...marks,
        lineStyle: { type: 'dashed' },
        data: points(quantized),
      },
    ],
  };
  return svgOf(option, 900, 260, 'outputs');
}
