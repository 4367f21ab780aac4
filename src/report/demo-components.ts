/** Parts of a deep network, of which the seed document's tables are. */
import type { LayerDemoReport } from './demo-layers.ts';

/** The layers of one part of the network together. */
export interface Component {
  readonly name: string;
  readonly layers: number;
  readonly params: number;
  /** Mean over layers. */
  readonly spectralCurvature: number;
  readonly lossCurvature: number | null;
  readonly recommendedBits: number | null;
  /** Bits a weight, over all weights of the part; one a budget. */
  readonly given: readonly number[];
}

/** In the order in which they first occur. */
export function componentsOf({ layers, budgets }: Pick<LayerDemoReport, 'layers' | 'budgets'>): Component[] {
  return [...new Set(layers.map((l) => l.component))].map((name) => {
    const own = layers.filter((l) => l.component === name);
    const params = own.reduce((n, l) => n + l.params, 0);
    return {
      name,
      layers: own.length,
      params,
      spectralCurvature: mean(own.map((l) => l.spectralCurvature))!,
      lossCurvature: mean(own.flatMap((l) => l.lossCurvature ?? [])),
      recommendedBits: mean(own.flatMap((l) => l.recommendedBits ?? [])),
      given: budgets.map((_, b) => own.reduce((n, l) => n + l.given[b]! * l.params, 0) / params),
    };
  });
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length;
}
