import type { CostTable } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import type { Model } from '../onnx/model.ts';
import type { Allocation } from './search.ts';
import type { EvaluationReport, Guarantee, LayerReport, QuantizeReport } from '../report/types.ts';
import { formatScientific } from '../report/text.ts';
import { VERSION } from '../version.ts';

export interface SummaryInput extends Allocation {
  readonly name: string;
  readonly model: Model;
  /** Bytes of the model that came in. */
  readonly original: number;
  readonly budget: QuantizeReport['budget'];
  readonly analyzer: CurvatureQuantizationAnalyzer;
  readonly table: CostTable;
  readonly evaluation: EvaluationReport | null;
  readonly seconds: number;
}

/** Everything the job learnt, as plain JSON. */
export async function quantizeReport(input: SummaryInput): Promise<QuantizeReport> {
  const { name, original, budget, analyzer, table, plan, bytes, allocations, evaluation } = input;
  const { calibrated } = analyzer;
  return {
    kappa: VERSION,
    model: { name, bytes: original, quantizable: analyzer.quantizable, layers: analyzer.layers.length },
    output: {
      bytes: bytes.length,
      ratio: original / bytes.length,
      format: analyzer.format.name,
      opset: input.quantized.model.opsets.get('') ?? 0,
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
    layers: await layerReports(input),
    left: analyzer.left,
    allocations,
    chosen: allocations[0]!.name,
    evaluation,
    guarantees: guarantees(input),
    seconds: input.seconds,
  };
}

async function layerReports({ analyzer, table, plan, quantized }: SummaryInput): Promise<LayerReport[]> {
  const spectra = await analyzer.computeSpectra();
  return quantized.layers.map((q, i): LayerReport => {
    const layer = analyzer.layers.find((l) => l.weight === q.weight)!;
    const spectrum = spectra.get(q.weight)!;
    const costs = table.layers.find((l) => l.weight === q.weight)!;
    const at = costs.choices.find((c) => c.bits === q.bits);
    return {
      name: q.name,
      weight: q.weight,
      opType: q.opType,
      params: q.params,
      bits: q.bits,
      bytes: q.bytes,
      granularity: plan.layers[i]!.granularity,
      symmetric: plan.layers[i]!.symmetric,
      spectralCurvature: spectrum.sigmaMax,
      conditionNumber: Number.isFinite(spectrum.condition) ? spectrum.condition : null,
      lossCurvature: analyzer.lossCurvature(layer, q.bits),
      damage: at?.damage ?? null,
      damageMeasured: at?.measured ?? false,
      maxError: q.maxError,
      reason: reasonFor(costs, q.bits, table.unit),
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

function guarantees({ plan, allocations, analyzer, evaluation }: SummaryInput): Guarantee[] {
  const list: Guarantee[] = [];
  if (plan.gap !== null)
    list.push({
      label: 'proved',
      statement:
        'no allocation within the budget has a predicted damage lower than this plan by more than this (multiple-choice knapsack bound, on the cost table)',
      value: plan.gap,
      samples: null,
    });
  const samples = analyzer.calibrated?.samples ?? null;
  const [chosen] = allocations;
  const uniform = allocations.find((a) => a.name === 'uniform');
  if (chosen?.damage !== null && chosen?.damage !== undefined) {
    list.push({
      label: 'measured',
      statement: 'damage on the calibration data, all layers quantized',
      value: chosen.damage,
      samples,
    });
    if (uniform?.damage !== null && uniform?.damage !== undefined)
      list.push({
        label: 'measured',
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
  return [...list, ...(evaluation?.reference?.guarantees ?? [])];
}
