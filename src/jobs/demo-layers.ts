import type { Plan } from '../allocate/types.ts';
import { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { spearman } from '../curvature/ranking.ts';
import type { Dataset } from '../data/dataset.ts';
import { readModel } from '../onnx/index.ts';
import { cancellable, type Progress } from '../progress.ts';
import type { LayerDemoFile, LayerDemoReport, LayerDemoRow } from '../report/demo-layers.ts';
import { VERSION } from '../version.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { evaluateModels } from './evaluate.ts';
import { type Allocation, Search } from './search.ts';

/** What the demonstration of a deep network runs on. */
export interface LayerDemoInput {
  readonly demo: LayerDemoReport['demo'];
  readonly model: { readonly name: string; readonly bytes: Uint8Array };
  readonly calibration: Dataset;
  /** Data the model was neither trained nor calibrated on. */
  readonly evaluation: Dataset;
}

/** What `demonstrateLayers` may be told. */
export interface LayerDemoOptions {
  /** Budgets in average bits, scales counted. Default 6.1 and 4.1. */
  readonly budgets?: readonly number[] | undefined;
  /** Most samples calibrated on and most held-out ones. */
  readonly samples?: number | undefined;
  readonly evaluationSamples?: number | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `demonstrateLayers` gives. */
export interface LayerDemoResult {
  readonly report: LayerDemoReport;
  /** The quantized files that were measured, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const BUDGETS = [6.1, 4.1];
/** Error that required bits are about: the analyzer's own default. */
const ACCURACY = 0.01;
/** Width whose damage and weight error the loss curvature is read from. */
const BITS = 4;

/** Part of the network by the name of a layer. */
const COMPONENTS: Readonly<Record<LayerDemoReport['demo'], readonly (readonly [RegExp, string])[]>> = {
  resnet: [
    [/(layer\d+)/, '$1'],
    [/^fc$|classifier/, 'classifier'],
    [/./, 'first convolution'],
  ],
  transformer: [
    [/\/(q|k)$/, 'Q/K projection'],
    [/\/v$/, 'V projection'],
    [/\/out$/, 'Out projection'],
    [/\/(up|down)$/, 'FFN up/down'],
    [/head/, 'head'],
    [/./, 'embeddings'],
  ],
};

/** @returns what the first pattern that fits makes of the name */
export function componentOf(demo: LayerDemoReport['demo'], name: string): string {
  for (const [pattern, component] of COMPONENTS[demo]) {
    const found = pattern.exec(name);
    if (found) return component.replace('$1', found[1] ?? '');
  }
  return name;
}

/**
 * The seed document's demonstration on a deep network: every layer's spectral and loss curvature, the bits that are proved
 * necessary, those the document's formula recommends, and those the guided plan gives; the files run on held-out data.
 * @throws UsageError for a budget that the widths cannot meet
 */
export async function demonstrateLayers(
  wasm: Wasm,
  input: LayerDemoInput,
  options: LayerDemoOptions = {},
): Promise<LayerDemoResult> {
  const start = Date.now();
  const { name, bytes } = input.model;
  const progress = cancellable(options);
  const original = readModel(bytes, name);
  const analyzer = new CurvatureQuantizationAnalyzer(original, wasm, {
    targetAccuracy: ACCURACY,
    samples: options.samples,
    progress,
  });
  const budgets = options.budgets ?? BUDGETS;
  const known = new Map<number, Tensor>();
  const measured = async (configuration: string, found: Allocation | undefined): Promise<LayerDemoFile> => {
    const report = await evaluateModels(
      wasm,
      found ? readModel(found.bytes, configuration) : original,
      found ? original : null,
      input.evaluation,
      { samples: options.evaluationSamples, progress, known },
    );
    const { accuracy, crossEntropy, reference } = report;
    samples = report.samples;
    return {
      configuration,
      averageBits: found?.plan.averageBits ?? 32,
      bytes: found?.bytes.length ?? bytes.length,
      accuracy,
      crossEntropy,
      kl: reference ? (reference.kl ?? reference.relativeSquaredError) : 0,
      klError: (reference?.kl === null ? reference.squaredErrorInterval : reference?.klError) ?? null,
    };
  };
  let samples = 0;
  try {
    await analyzer.calibrate(input.calibration);
    await analyzer.computeCurvature();
    const search = new Search(analyzer, wasm);
    const rows = [await measured('original (fp32)', undefined)];
    const files = new Map<string, Uint8Array>();
    const plans: Plan[] = [];
    for (const averageBits of budgets) {
      const uniform = await search.given(search.optimizer.uniform({ averageBits }));
      const guided = await search.within({ averageBits });
      rows.push(
        await measured(`uniform at ${averageBits}`, uniform),
        await measured(`guided at ${averageBits}`, guided),
      );
      plans.push(guided.plan);
      const stem = name.replace(/\.onnx$/, '');
      files.set(`${stem}-uniform-${averageBits}b.onnx`, uniform.bytes);
      files.set(`${stem}-guided-${averageBits}b.onnx`, guided.bytes);
    }
    const layers = await layerRows(analyzer, input.demo, plans);
    return {
      report: {
        kappa: VERSION,
        demo: input.demo,
        model: name,
        calibration: analyzer.calibrated?.samples ?? 0,
        samples,
        budgets,
        layers,
        files: rows,
        byDepth: depthOf(layers, budgets.length),
        seconds: (Date.now() - start) / 1000,
      },
      files,
    };
  } finally {
    analyzer.dispose();
  }
}

async function layerRows(
  analyzer: CurvatureQuantizationAnalyzer,
  demo: LayerDemoReport['demo'],
  plans: readonly Plan[],
): Promise<LayerDemoRow[]> {
  const spectra = await analyzer.computeSpectra();
  const table = await analyzer.costTable();
  const requirements = analyzer.getPrecisionRequirements();
  return analyzer.layers.map((layer, i) => ({
    name: layer.name,
    opType: layer.opType,
    params: layer.params,
    component: componentOf(demo, layer.name),
    spectralCurvature: spectra.get(layer.weight)!.sigmaMax,
    lossCurvature: analyzer.lossCurvature(layer, BITS),
    damage: table.layers[i]!.choices.find((c) => c.bits === BITS)?.damage ?? null,
    requiredBits: requirements[i]!.computeMinBits(),
    recommendedBits: requirements[i]!.recommendedBits(),
    given: plans.map((plan) => {
      const { bits, rowBits } = plan.layers.find((l) => l.weight === layer.weight)!;
      return rowBits ? rowBits.reduce((a, b) => a + b, 0) / rowBits.length : bits;
    }),
  }));
}

/** Rank correlations of a layer's place with its figures. */
function depthOf(layers: readonly LayerDemoRow[], budgets: number): LayerDemoReport['byDepth'] {
  const places = layers.map((_, i) => i);
  const loss = layers.flatMap((l, i) => (l.lossCurvature === null ? [] : [{ i, value: l.lossCurvature }]));
  return {
    spectral: spearman(
      places,
      layers.map((l) => l.spectralCurvature),
    ),
    loss: spearman(
      loss.map((l) => l.i),
      loss.map((l) => l.value),
    ),
    given: Array.from({ length: budgets }, (_, b) =>
      spearman(
        places,
        layers.map((l) => l.given[b]!),
      ),
    ),
  };
}
