import type { CostTable } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { metricNames } from '../curvature/metric.ts';
import { rankAgreement } from '../curvature/ranking.ts';
import type { MetricRank } from '../report/types.ts';

export type { MetricRank } from '../report/types.ts';

/** The metrics compared with the truth unless told, where they are registered. */
const COMPARED: readonly string[] = ['jac', 'gram', 'spectral'];

/** The same, and one that costs as much again to measure. */
export const ALL_COMPARED: readonly string[] = ['jac', 'fisher', 'gram', 'spectral'];

/**
 * How each metric's damages agree with measured ones on this model and this data: one row a metric, in the order asked for.
 * Takes a measurement of each.
 * @param analyzer after `calibrate`
 * @param truth the table of measured damages; that of `kl` where absent. Only choices that were measured count.
 * @param known tables measured before, by metric
 */
export async function metricRanks(
  analyzer: CurvatureQuantizationAnalyzer,
  truth?: CostTable,
  metrics: readonly string[] = COMPARED,
  known: ReadonlyMap<string, CostTable> = new Map(),
): Promise<MetricRank[]> {
  const actual = truth ?? (await analyzer.tableOf('kl'));
  const rows: MetricRank[] = [];
  for (const metric of metrics) {
    if (!metricNames().includes(metric)) continue;
    const table = known.get(metric) ?? (await analyzer.tableOf(metric));
    // A metric that cannot be had measures kl instead, and its table says why.
    if (table.metric === metric) rows.push(rankAgreement(table, actual));
    else rows.push({ metric, refused: table.metric });
  }
  return rows;
}

/** The `jac` table of gains at hand: sums over rows of gain times local error. */
export function tableOfGains(
  analyzer: CurvatureQuantizationAnalyzer,
  gains: ReadonlyMap<string, Float64Array>,
  truth: CostTable,
): CostTable {
  const layers = truth.layers.map((of) => {
    const layer = analyzer.layers.find((l) => l.weight === of.weight)!;
    const own = gains.get(of.weight);
    const choices = of.choices
      .filter(({ bits }) => bits !== 32)
      .map((choice) => {
        const errors = analyzer.rowErrors(layer, choice.bits);
        const damage = errors.reduce((sum, e, r) => sum + e * (own?.[r] ?? 0), 0);
        return { ...choice, damage, measured: false };
      });
    return { ...of, choices };
  });
  return { ...truth, metric: 'jac', layers };
}

/**
 * How metrics agree with what a cost table measured: those that cost nothing more, or all of them.
 * @param gains of rows, where they are at hand
 */
export async function ranksOf(
  analyzer: CurvatureQuantizationAnalyzer,
  truth: CostTable,
  gains: ReadonlyMap<string, Float64Array> | undefined,
  all: boolean,
): Promise<MetricRank[]> {
  const measured = truth.layers.some((l) => l.choices.some((c) => c.measured && c.bits !== 32));
  if (!analyzer.calibrated || !measured) return [];
  const known = new Map(gains ? [['jac', tableOfGains(analyzer, gains, truth)]] : []);
  const free = [...known.keys(), 'spectral'].filter((metric) => metric !== truth.metric);
  return metricRanks(analyzer, truth, all ? ALL_COMPARED.filter((m) => m !== truth.metric) : free, known);
}
