import type { CostTable, Plan } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { curvatureOf } from '../curvature/operators.ts';
import type { Dataset } from '../data/dataset.ts';
import { TargetError } from '../errors.ts';
import { readModel } from '../onnx/index.ts';
import type { AnalyzeReport, Guarantee, LayerAnalysis } from '../report/types.ts';
import { VERSION } from '../version.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { analyzerFor, type MeasuringOptions } from './options.ts';

/** What `analyzeModel` may be told. */
export interface AnalyzeOptions extends MeasuringOptions {
  readonly calibration?: Dataset | undefined;
  /** Damage, and error at a layer's output, that counts as met. Default 0.01. */
  readonly targetAccuracy?: number | undefined;
}

/**
 * Curvature, spectra, required bits and contribution to the error, layer by layer.
 * @throws ModelError, DataError, UnsupportedError for what was brought
 */
export async function analyzeModel(
  wasm: Wasm,
  bytes: Uint8Array,
  options: AnalyzeOptions = {},
): Promise<AnalyzeReport> {
  const start = Date.now();
  const name = options.name ?? 'model';
  const model = readModel(bytes, name, { external: options.external });
  const analyzer = await analyzerFor(model, wasm, options);
  try {
    if (options.calibration) await analyzer.calibrate(options.calibration);
    const curvatures = await analyzer.computeCurvature();
    const table = await analyzer.costTable();
    const plan = planFor(analyzer, table.unit);
    const data = options.calibration !== undefined;
    const estimate = plan && data ? await analyzer.estimateTotalError(plan) : null;
    const measuredError = plan && data ? await analyzer.measure(plan) : null;
    const requirements = analyzer.getPrecisionRequirements();
    const layers = curvatures.map(({ layer, spectrum, lossCurvature }, i): LayerAnalysis => {
      const error = estimate?.layers.find((l) => l.weight === layer.weight);
      return {
        name: layer.name,
        weight: layer.weight,
        opType: layer.opType,
        params: layer.params,
        spectralCurvature: spectrum.sigmaMax,
        spectralBound: spectrum.exact ? 'exact' : 'upper bound',
        conditionNumber: Number.isFinite(spectrum.condition) ? spectrum.condition : null,
        lossCurvature,
        diameter: requirements[i]!.diameter,
        requiredBits: requirements[i]!.computeMinBits(),
        recommendedBits: requirements[i]!.recommendedBits(),
        damages: table.layers[i]!.choices.filter((c) => c.bits !== 32),
        amplification: finite(error?.amplification),
        contribution: finite(error?.contribution),
      };
    });
    return {
      kappa: VERSION,
      model: { name, bytes: bytes.length, quantizable: analyzer.quantizable, layers: layers.length },
      targetAccuracy: analyzer.targetAccuracy,
      metric: table.metric,
      unit: table.unit,
      calibration: analyzer.calibrated ?? null,
      layers,
      left: analyzer.left,
      operators: operatorsOf(analyzer),
      recommended: plan && {
        averageBits: plan.averageBits,
        bits: plan.layers.map((l) => l.bits),
        predicted: plan.predicted,
      },
      totalErrorBound: finite(estimate?.total),
      measuredError,
      guarantees: guarantees(analyzer, estimate, measuredError),
      seconds: (Date.now() - start) / 1000,
    };
  } finally {
    analyzer.dispose();
  }
}

/** The smallest plan that meets the target; none where the widest widths miss it or damage has no unit. */
function planFor(analyzer: CurvatureQuantizationAnalyzer, unit: CostTable['unit']): Plan | null {
  if (unit === 'proxy') return null;
  try {
    return analyzer.allocateByAccuracy();
  } catch (error) {
    if (error instanceof TargetError) return null;
    throw error;
  }
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

/** Definition 4.1 for every operator of the model that has a value without calibrated facts. */
function operatorsOf(analyzer: CurvatureQuantizationAnalyzer): AnalyzeReport['operators'] {
  const counts = new Map<string, number>();
  for (const { opType } of analyzer.model.graph.nodes) counts.set(opType, (counts.get(opType) ?? 0) + 1);
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([opType, nodes]) => {
      const c = curvatureOf(opType);
      return {
        opType,
        nodes,
        lipschitz: finite(c?.lipschitz),
        curvature: finite(c?.kappa),
        note: c?.note ?? 'no curvature registered',
      };
    });
}

function guarantees(
  analyzer: CurvatureQuantizationAnalyzer,
  estimate: Awaited<ReturnType<CurvatureQuantizationAnalyzer['estimateTotalError']>> | null,
  measured: number | null,
): Guarantee[] {
  const samples = analyzer.calibrated?.samples ?? null;
  const list: Guarantee[] = [];
  if (estimate && Number.isFinite(estimate.total)) {
    const range = estimate.conditional.length
      ? `; ${estimate.conditional.join(', ')} bounded on the calibrated range only`
      : '';
    list.push({
      label: estimate.label,
      statement: `l2 error of one sample's outputs at the recommended widths is at most this (Theorem 3.4, worst case${range})`,
      value: estimate.total,
      samples,
    });
  } else if (estimate)
    list.push({
      label: 'proxy',
      statement: `no bound on the outputs' error is known: ${estimate.conditional.join(', ') || 'the products of norms overflow'}`,
      value: null,
      samples,
    });
  if (measured !== null)
    list.push({
      label: 'measured',
      statement: 'damage at the recommended widths on the calibration data',
      value: measured,
      samples,
    });
  list.push({
    label: 'proxy',
    statement: "recommended bits: the seed document's log2(kappa D^2 / eps)",
    value: null,
    samples: null,
  });
  return list;
}
