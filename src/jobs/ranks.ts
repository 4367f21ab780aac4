import type { CostTable } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { metricNames } from '../curvature/metric.ts';
import { type RankAgreement, rankAgreement } from '../curvature/ranking.ts';

/** The metrics compared with the truth unless told, where they are registered. */
const COMPARED: readonly string[] = ['jac', 'gram', 'spectral'];

/** A metric that could not be measured on this model has its reason in place of figures. */
export type MetricRank = RankAgreement | { readonly metric: string; readonly refused: string };

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
