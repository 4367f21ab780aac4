import type { CostTable, PlanLayer } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import type { Layer } from '../graph/layers.ts';
import { sizeOfFiles } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';
import type { Allocation } from './search.ts';
import { dropOf, type MaxDrop } from './targets.ts';
import type {
  ActivationReport,
  EvaluationReport,
  FileParts,
  Guarantee,
  LayerReport,
  QuantizeReport,
} from '../report/types.ts';
import { formatScientific } from '../report/scientific.ts';
import { VERSION } from '../version.ts';

export interface SummaryInput extends Allocation {
  readonly name: string;
  readonly model: Model;
  /** Bytes of the model that came in. */
  readonly original: number;
  readonly budget: QuantizeReport['budget'];
  readonly analyzer: CurvatureQuantizationAnalyzer;
  readonly table: CostTable;
  /** How images became samples. */
  readonly images: QuantizeReport['images'];
  /** What was drawn in the place of calibration data; null where there was data, or nothing in its place. */
  readonly dataFree: string | null;
  /** The data on which the size of the file was decided, where a largest drop was asked for. */
  readonly decidedBy: 'held-out' | 'calibration' | null;
  readonly metricRanks: QuantizeReport['metricRanks'];
  /** What the report has to say besides what the analyzer knows. */
  readonly notes: readonly string[];
  readonly evaluation: EvaluationReport | null;
  readonly activations: ActivationReport | undefined;
  readonly seconds: number;
}

/** Everything the job learnt, as plain JSON. */
export async function quantizeReport(input: SummaryInput): Promise<QuantizeReport> {
  const { name, original, budget, analyzer, table, plan, allocations, evaluation } = input;
  const { calibrated } = analyzer;
  const written = sizeOfFiles(input);
  return {
    kappa: VERSION,
    model: { name, bytes: original, quantizable: analyzer.quantizable, layers: analyzer.layers.length },
    output: {
      bytes: written,
      ratio: original / written,
      format: formatsOf(input).join(', '),
      target: analyzer.encoding.target,
      opset: input.quantized.model.opsets.get('') ?? 0,
      parts: fileParts(input),
      halves: input.quantized.halves ?? null,
    },
    budget,
    averageBits: plan.averageBits,
    widths: analyzer.widths,
    metric: table.metric,
    unit: table.unit,
    strategy: plan.strategy,
    objective: plan.objective,
    optimalityGap: plan.gap,
    calibration: calibrated ?? null,
    ...(input.images ? { images: input.images } : {}),
    dataFree: input.dataFree,
    layers: await layerReports(input),
    left: analyzer.left,
    ...(analyzer.unsupported ? { cannotRun: analyzer.unsupported.message } : {}),
    allocations,
    chosen: allocations[0]!.name,
    rowsNote: input.rowsNote,
    tuning: input.tuning ?? null,
    damage: {
      predicted: allocations[0]!.predicted,
      together: allocations[0]!.damage,
      heldOut: evaluation?.reference ? (evaluation.reference.kl ?? evaluation.reference.relativeSquaredError) : null,
    },
    ranks: input.ranks,
    metricRanks: input.metricRanks,
    notes: [...input.notes, ...analyzer.notes],
    evaluation,
    ...(input.activations ? { activations: input.activations } : {}),
    guarantees: await guarantees(input),
    seconds: input.seconds,
  };
}

/** Formats of the layers, the one of most layers first. */
function formatsOf({ quantized }: SummaryInput): string[] {
  const counts = new Map<string, number>();
  for (const { bits, format } of quantized.layers) if (bits !== 32) counts.set(format, (counts.get(format) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([format]) => format);
}

/** Why a layer has its format. */
function formatReason({ encoding, rounding }: CurvatureQuantizationAnalyzer, layer: Layer, p: PlanLayer): string {
  const mixed = p.rowBits !== undefined;
  const { scaleType } = rounding;
  const { bits, granularity, symmetric } = p;
  for (const rows of mixed ? [true] : [false, true]) {
    const chosen = encoding.choose(layer, { bits, granularity, symmetric, scaleType }, rows);
    if (chosen.format === p.format) return chosen.reason;
  }
  return p.format === 'integer' ? 'its operator multiplies integers' : 'the plan says so';
}

function fileParts({ quantized, bytes }: SummaryInput): FileParts {
  const parts = { codes: 0, scales: 0, zeros: 0, order: 0, floats: 0 };
  for (const { stored, bytes: own } of quantized.layers) {
    if (stored) for (const key of ['codes', 'scales', 'zeros', 'order'] as const) parts[key] += stored[key];
    else parts.floats += own;
  }
  const known = Object.values(parts).reduce((a, b) => a + b, 0);
  return { ...parts, rest: bytes.length - known };
}

/** How many rows have each width. */
function rowCounts(rowBits: readonly number[] | undefined): LayerReport['rows'] {
  if (!rowBits) return null;
  const widths = [...new Set(rowBits)].sort((a, b) => a - b);
  return widths.map((bits) => ({ bits, rows: rowBits.filter((b) => b === bits).length }));
}

async function layerReports({ analyzer, table, plan, quantized, layerDamages }: SummaryInput): Promise<LayerReport[]> {
  const spectra = await analyzer.computeSpectra();
  return quantized.layers.map((q, i): LayerReport => {
    const layer = analyzer.layers.find((l) => l.weight === q.weight)!;
    const spectrum = spectra.get(q.weight)!;
    const costs = table.layers.find((l) => l.weight === q.weight)!;
    const at = costs.choices.find((c) => c.bits === q.bits);
    const rows = rowCounts(q.rowBits);
    return {
      name: q.name,
      weight: q.weight,
      opType: q.opType,
      params: q.params,
      bits: q.bits,
      rows,
      bytes: q.bytes,
      granularity: plan.layers[i]!.granularity,
      symmetric: plan.layers[i]!.symmetric,
      spectralCurvature: spectrum.sigmaMax,
      conditionNumber: Number.isFinite(spectrum.condition) ? spectrum.condition : null,
      lossCurvature: analyzer.lossCurvature(layer, q.bits),
      damage: (rows ? layerDamages?.get(q.weight) : at?.damage) ?? null,
      damageMeasured: !rows && (at?.measured ?? false),
      maxError: q.maxError,
      format: q.bits === 32 ? null : q.format,
      formatReason: q.bits === 32 ? null : formatReason(analyzer, layer, plan.layers[i]!),
      reason: rows
        ? `rows at ${rows.map((r) => `${r.bits} bits x${r.rows}`).join(', ')}`
        : reasonFor(costs, q.bits, table.unit),
    };
  });
}

/** What one width less would have cost and one more would have bought, a byte. */
function reasonFor(layer: CostTable['layers'][number], bits: number, unit: CostTable['unit']): string {
  if (bits === 32) return 'pinned to float';
  const choices = layer.choices.filter((c) => c.bits !== 32);
  const at = choices.findIndex((c) => c.bits === bits);
  if (at < 0) return 'given by the plan';
  const own = choices[at]!;
  const name = unit === 'kl' ? ' KL' : unit === 'nse' ? ' error' : '';
  const below = choices[at - 1];
  const above = choices[at + 1];
  const parts: string[] = [];
  if (below)
    parts.push(
      `${below.bits} bits: ${signed(below.damage - own.damage)}${name}, ${own.bytes - below.bytes} bytes less`,
    );
  if (above)
    parts.push(
      `${above.bits} bits: ${signed(above.damage - own.damage)}${name}, ${above.bytes - own.bytes} bytes more`,
    );
  return parts.join('; ');
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${formatScientific(Math.abs(value))}`;
}

/** What plans were judged by, before the name of the data. */
function judgedOn({ judgedApart }: CurvatureQuantizationAnalyzer): string {
  return judgedApart ? 'the held-back fifth of the ' : 'the ';
}

async function guarantees(input: SummaryInput): Promise<Guarantee[]> {
  const { plan, allocations, analyzer, evaluation, budget, dataFree, decidedBy } = input;
  const list: Guarantee[] = [];
  if (plan.gap !== null)
    list.push({
      label: 'proved',
      statement: plan.strategy.startsWith('rows')
        ? 'no choice of a width for every row within the budget has a predicted damage lower than this plan by more than this (Lagrangian bound)'
        : 'no allocation within the budget has a predicted damage lower than this plan by more than this (multiple-choice knapsack bound, on the cost table)',
      value: plan.gap,
      samples: null,
    });
  const samples = analyzer.calibrated?.judged ?? null;
  const [chosen] = allocations;
  const uniform = allocations.find((a) => a.name === 'uniform');
  if (chosen?.damage !== null && chosen?.damage !== undefined) {
    list.push({
      label: dataFree === null ? 'measured' : 'proxy',
      statement: `damage on ${judgedOn(analyzer)}${dataFree === null ? 'calibration data' : 'inputs drawn in its place'}, all layers quantized`,
      value: chosen.damage,
      samples,
    });
    if (uniform?.damage !== null && uniform?.damage !== undefined)
      list.push({
        label: dataFree === null ? 'measured' : 'proxy',
        statement: 'damage of uniform widths at the same bytes, on the same data',
        value: uniform.damage,
        samples,
      });
  } else
    list.push({
      label: 'proxy',
      statement: 'no data: the widths follow the weights alone',
      value: plan.predicted,
      samples: null,
    });
  if (budget.maxError !== null) {
    const { total, label, conditional } = await analyzer.estimateTotalError(plan);
    const through = conditional.length
      ? `; constants of ${conditional.join(', ')} hold on the calibrated range only`
      : '';
    list.push({
      label,
      statement: `largest l2 error of one sample's outputs whose layer inputs are no larger than the calibrated ones (Theorem 3.4)${through}`,
      value: total,
      samples: analyzer.calibrated?.samples ?? null,
    });
  }
  if (decidedBy === null) return [...list, ...(evaluation?.reference?.guarantees ?? [])];
  const { measure } = budget.maxDrop!;
  // Data that chose the plan cannot also certify it.
  list.push(
    decidedBy === 'held-out'
      ? {
          label: 'measured',
          statement: `drop in ${measure} on the held-out data, which decided the size: other data may lose a little more`,
          value: evaluation ? dropOf(evaluation, budget.maxDrop!.measure as MaxDrop['measure']) : null,
          samples: evaluation?.samples ?? null,
        }
      : {
          label: 'measured',
          statement: `NO HELD-OUT DATA: the drop in ${measure} was kept on the calibration data, which the widths and codes were fitted to; expect a larger one elsewhere`,
          value: null,
          samples,
        },
  );
  return list;
}
