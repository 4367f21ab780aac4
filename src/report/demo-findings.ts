/** What of the seed document's findings about deep networks holds here, in its own words and measured figures. */
import { type Component, componentsOf } from './demo-components.ts';
import type { LayerDemoReport } from './demo-layers.ts';
import { formatNumber } from './text.ts';

/** The document's own table of a transformer's parts: average curvature, recommended bits. */
const PARTS: Readonly<Record<string, readonly [curvature: string, bits: string]>> = {
  'Q/K projection': ['8.7', '8-10'],
  'V projection': ['4.8', '6-8'],
  'Out projection': ['6.7', '8'],
  'FFN up/down': ['3.2', '4-6'],
};
/** The layers of a ResNet-18 that the document names, with the curvature it gives them. */
const NAMED: readonly (readonly [layer: string, curvature: number])[] = [
  ['conv1', 2.3],
  ['layer1.0.conv1', 3.1],
  ['layer4.1.conv2', 45.2],
  ['fc', 128.5],
];
/** Ratio of two means, and difference in bits, below which they are alike. */
const ALIKE = 1.2;
const ALIKE_BITS = 0.1;

/** What the document says of a part of the network; undefined where it says nothing. */
export function documentComponent(
  demo: LayerDemoReport['demo'],
  name: string,
): readonly [curvature: string, bits: string] | undefined {
  return demo === 'transformer' ? PARTS[name] : undefined;
}

/** What holds of the document's finding. */
export function findingText(report: LayerDemoReport): string {
  return report.demo === 'resnet' ? depthFinding(report) : attentionFinding(report);
}

const holds = (r: number | null): string =>
  r === null ? 'says nothing here' : r > 0.5 ? 'holds' : r < -0.5 ? 'is the other way round' : 'does not hold';

const figure = (r: number | null): string => (r === null ? 'none' : r.toFixed(2).replace('-0.00', '0.00'));

function depthFinding({ byDepth, budgets, layers }: LayerDemoReport): string {
  const given = budgets.map((b, i) => `${figure(byDepth.given[i]!)} at ${b}`);
  const last = byDepth.given.at(-1) ?? null;
  const named = NAMED.flatMap(([name, curvature]) => {
    const own = layers.find((l) => l.name === name);
    return own ? [`${name} ${formatNumber(own.spectralCurvature, 3)} (the document: ${curvature})`] : [];
  });
  const figures = named.length === 0 ? '' : ` sigma_max here: ${named.join(', ')}.`;
  return `The seed document: early layers need fewer bits, later layers need more. Rank correlation with depth here: spectral curvature ${figure(byDepth.spectral)}, so by that measure the finding ${holds(byDepth.spectral)}; damage to the output ${figure(byDepth.loss)}, so by what the output loses it ${holds(byDepth.loss)}; bits given: ${given.join(', ')}, so by what each layer deserves it ${holds(last)}.${figures}`;
}

/** Of a part of the sentence: whether attention has more of it. */
function verdict(ratio: number): string {
  return ratio > ALIKE ? 'so that the finding holds' : ratio < 1 / ALIKE ? 'the other way round' : 'about the same';
}

function attentionFinding(report: LayerDemoReport): string {
  const components = componentsOf(report);
  const of = (test: RegExp) => components.filter((c) => test.test(c.name));
  const [attention, ffn] = [of(/projection$/), of(/^FFN/)];
  const ratio = (value: (c: Component) => number | null): number | null => {
    const average = (list: readonly Component[]): number | null => {
      const known = list.flatMap((c) => (value(c) === null ? [] : [{ v: value(c)!, n: c.layers }]));
      const layers = known.reduce((n, k) => n + k.n, 0);
      return layers === 0 ? null : known.reduce((sum, k) => sum + k.v * k.n, 0) / layers;
    };
    const [a, f] = [average(attention), average(ffn)];
    return a === null || f === null || !(f > 0) ? null : a / f;
  };
  const said = (r: number | null) =>
    r === null ? 'is unknown' : `is ${formatNumber(r, 3)} times that of FFN, ${verdict(r)}`;
  const weighted = (list: readonly Component[], i: number) =>
    list.reduce((n, c) => n + c.given[i]! * c.params, 0) / list.reduce((n, c) => n + c.params, 0);
  const bits = report.budgets.map((budget, i) => ({ budget, a: weighted(attention, i), f: weighted(ffn, i) }));
  const more = bits.every(({ a, f }) => a - f > ALIKE_BITS);
  const fewer = bits.every(({ a, f }) => f - a > ALIKE_BITS);
  const needs = more ? 'it needs more bits' : fewer ? 'it needs fewer bits' : 'it does not need more bits';
  const given = bits.map(({ budget, a, f }) => `${a.toFixed(2)} against ${f.toFixed(2)} at ${budget}`);
  const spectral = ratio((c) => c.spectralCurvature);
  const loss = ratio((c) => c.lossCurvature);
  return `The seed document: attention has higher curvature than FFN and needs more bits. Here the spectral curvature of attention ${said(spectral)}; its loss curvature, what the output loses by an error of the same size, ${said(loss)}; but errors differ with the weights, and by the bits a weight that were given, ${given.join(', ')}, ${needs} than FFN.`;
}
