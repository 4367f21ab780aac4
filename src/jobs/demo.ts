import type { Plan } from '../allocate/types.ts';
import { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import type { Dataset } from '../data/dataset.ts';
import { DataError } from '../errors.ts';
import type { Layer } from '../graph/layers.ts';
import { readModel, writeModel } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';
import type { Progress } from '../progress.ts';
import { PrecisionAwareQuantizer } from '../quantize/quantizer.ts';
import type { DemoModel, DemoReport, DemoRow } from '../report/demo.ts';
import { VERSION } from '../version.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { evaluateModels } from './evaluate.ts';
import { Search } from './search.ts';

/** What the demonstration of a small network runs on. */
export interface DemoInput {
  /** The same network from different training seeds. */
  readonly models: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  readonly calibration: Dataset;
  /** Labelled data no model was trained or calibrated on. */
  readonly evaluation: Dataset;
}

/** What `demonstrate` may be told. */
export interface DemoOptions {
  /** Budgets in bits, from 2 to 8, each for uniform and guided. Default 8, 6, 4, 3. */
  readonly bits?: readonly number[] | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `demonstrate` gives. */
export interface DemoResult {
  readonly report: DemoReport;
  /** The quantized files that were measured, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const BITS = [8, 6, 4, 3];
/** Width whose weight error the loss curvature is read along: the widest that is measured. */
const LOSS_CURVATURE_BITS = 4;
/** Test images run at once. */
const BATCH = 250;

/**
 * The seed document's demonstration: uniform widths as the document has them (one scale a tensor, the largest weight at the
 * end of the range) against guided ones, one scale a channel, within the same bytes, codes and scales counted. The test data only
 * measures.
 */
export async function demonstrate(wasm: Wasm, input: DemoInput, options: DemoOptions = {}): Promise<DemoResult> {
  const start = Date.now();
  const files = new Map<string, Uint8Array>();
  const models: DemoModel[] = [];
  const progress = stages(options, input.models.length * (options.bits ?? BITS).length * 2);
  for (const { name, bytes } of input.models) {
    const job = new Demonstration(wasm, name, bytes, input, options, progress);
    try {
      models.push(await job.run(files));
    } finally {
      job.dispose();
    }
  }
  const seconds = (Date.now() - start) / 1000;
  return {
    report: { kappa: VERSION, calibration: input.calibration.count, samples: input.evaluation.count, models, seconds },
    files,
  };
}

interface Stages {
  /** Of the work below: only says whether it was cancelled. */
  readonly inner: Progress;
  next(): void;
}

function stages({ progress, signal }: DemoOptions, total: number): Stages {
  let done = 0;
  const check = () => {
    if (signal?.aborted) throw signal.reason;
  };
  return {
    inner: check,
    next() {
      check();
      progress?.('demonstrating', done++, total);
    },
  };
}

/** One model, analysed once for all budgets. */
class Demonstration {
  private readonly original: Model;
  private readonly analyzer: CurvatureQuantizationAnalyzer;
  private accuracy = 0;
  /** The original's outputs on the test data. */
  private readonly known = new Map<number, Tensor>();

  constructor(
    private readonly wasm: Wasm,
    private readonly name: string,
    private readonly bytes: Uint8Array,
    private readonly input: DemoInput,
    private readonly options: DemoOptions,
    private readonly stages: Stages,
  ) {
    this.original = readModel(bytes, name);
    this.analyzer = new CurvatureQuantizationAnalyzer(this.original, wasm, { progress: stages.inner });
  }

  dispose(): void {
    this.analyzer.dispose();
  }

  async run(files: Map<string, Uint8Array>): Promise<DemoModel> {
    const { analyzer } = this;
    await analyzer.calibrate(this.input.calibration);
    await analyzer.computeCurvature();
    const search = new Search(analyzer, this.wasm);
    const { layers } = analyzer;
    const stem = this.name.replace(/\.onnx$/, '');
    const rows = [await this.baseline(layers)];
    this.accuracy = rows[0]!.accuracy;
    for (const b of this.options.bits ?? BITS) {
      this.stages.next();
      const uniform = this.uniform(b);
      rows.push(
        await this.row(
          {
            configuration: `Uniform ${b}-bit`,
            kind: 'uniform',
            nominalBits: b,
            granularity: 'tensor',
            averageBits: uniform.averageBits,
            bits: uniform.bits,
          },
          uniform.file,
        ),
      );
      files.set(`${stem}-uniform-${b}b.onnx`, uniform.file);
      this.stages.next();
      // Scales are half as wide as the document's: with them the widest plan may be a little below the budget.
      const averageBits = Math.min(uniform.averageBits, search.optimizer.limits.maxAverageBits);
      const found = await search.within({ averageBits });
      rows.push(
        await this.row(
          {
            configuration: `Guided (${b}-bit)`,
            kind: 'guided',
            nominalBits: b,
            granularity: 'channel',
            averageBits: found.plan.averageBits,
            bits: found.allocations[0]!.bits,
          },
          found.bytes,
        ),
      );
      files.set(`${stem}-guided-${b}b.onnx`, found.bytes);
    }
    return { name: this.name, layers: await this.describe(), rows };
  }

  private baseline(layers: readonly Layer[]): Promise<DemoRow> {
    return this.row(
      {
        configuration: 'Baseline (FP32)',
        kind: 'fp32',
        nominalBits: 32,
        averageBits: 32,
        granularity: null,
        bits: layers.map(() => 32),
      },
      this.bytes,
    );
  }

  /**
   * Every layer at that width as the document quantizes: symmetric, one scale a tensor, range to the largest weight. Between two
   * widths: the smaller for all, then the larger layer by layer in graph order while the average allows it.
   */
  private uniform(asked: number): { file: Uint8Array; averageBits: number; bits: number[] } {
    const { layers, model, quantizable } = this.analyzer;
    const least = Math.floor(asked);
    let room = (asked - least) * quantizable;
    const widths = layers.map(({ params }) => {
      if (params > room) return least;
      room -= params;
      return least + 1;
    });
    const settings = { granularity: 'tensor', symmetric: true, rounding: 'nearest', format: 'dense' } as const;
    const plan: Plan = {
      version: 1,
      metric: 'none',
      strategy: 'uniform',
      objective: 'none',
      averageBits: asked,
      bytes: 0,
      predicted: 0,
      gap: null,
      layers: layers.map((l, i) => ({ name: l.name, weight: l.weight, bits: widths[i]!, ...settings })),
    };
    const quantizer = new PrecisionAwareQuantizer(this.wasm, { clip: 'max', scaleType: 'float' });
    const written = quantizer.quantizeModel(model, plan);
    const bytes = written.layers.reduce((n, l) => n + l.bytes, 0);
    return { file: writeModel(written.model), averageBits: (8 * bytes) / quantizable, bits: widths };
  }

  /** Runs a file on the test data, beside the original unless it is the original. */
  private async row(about: Omit<DemoRow, 'accuracy' | 'loss' | 'kl' | 'bytes'>, file: Uint8Array): Promise<DemoRow> {
    const own = about.kind === 'fp32';
    const { accuracy, reference } = await evaluateModels(
      this.wasm,
      own ? this.original : readModel(file, `${this.name}, ${about.configuration}`),
      own ? null : this.original,
      this.input.evaluation,
      { batch: BATCH, progress: this.stages.inner, known: this.known },
    );
    if (accuracy === null) throw new DataError("demo: the test data has no array 'labels'");
    const kl = reference?.kl ?? 0;
    return { ...about, bytes: file.length, accuracy, loss: own ? 0 : this.accuracy - accuracy, kl };
  }

  private async describe(): Promise<DemoModel['layers']> {
    const analyzer = this.analyzer;
    const spectra = await analyzer.computeSpectra();
    return analyzer.layers.map((layer) => ({
      name: layer.name,
      opType: layer.opType,
      params: layer.params,
      sigmaMax: spectra.get(layer.weight)!.sigmaMax,
      lossCurvature: analyzer.lossCurvature(layer, LOSS_CURVATURE_BITS),
    }));
  }
}
