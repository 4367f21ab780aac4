import type { CostTable, Granularity, Plan } from '../allocate/types.ts';
import { DEFAULT_ROUNDING } from '../analyzer.ts';
import type { Progress } from '../progress.ts';
import { specFor } from '../curvature/candidates.ts';
import type { Dataset } from '../data/dataset.ts';
import { foldBatchNormalization } from '../graph/fold.ts';
import { findLayers, type Layer } from '../graph/layers.ts';
import { gridBytes } from '../grid/index.ts';
import { readModel, writeModel } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';
import { quantize, type QuantizeResult } from './quantize.ts';
import { PrecisionAwareQuantizer } from '../quantize/quantizer.ts';
import type { DemoModel, DemoReport, DemoRow } from '../report/demo.ts';
import { VERSION } from '../version.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { evaluateModels } from './evaluate.ts';

export interface DemoInput {
  /** The same network from different training seeds. */
  readonly models: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  readonly calibration: Dataset;
  /** Labelled data no model was trained or calibrated on. */
  readonly evaluation: Dataset;
}

export interface DemoOptions {
  /** Whole-bit budgets, each for uniform and guided. Default 8, 6, 4, 3. */
  readonly bits?: readonly number[] | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DemoResult {
  readonly report: DemoReport;
  /** The quantized files that were measured, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const BITS = [8, 6, 4, 3];
const WIDEST = 8;
const BATCH = 250;

/**
 * The seed document's demonstration: uniform widths as the document has them (one scale a tensor, the largest weight at the
 * end of the range) against guided ones within the same bytes, codes and scales counted. Guided tries one scale a channel and
 * one a tensor and keeps what does less damage on the calibration data; the test data only measures.
 */
export async function demonstrate(wasm: Wasm, input: DemoInput, options: DemoOptions = {}): Promise<DemoResult> {
  const start = Date.now();
  const files = new Map<string, Uint8Array>();
  const models: DemoModel[] = [];
  const progress = stages(options, input.models.length * (options.bits ?? BITS).length * 2);
  for (const { name, bytes } of input.models) {
    const job = new Demonstration(wasm, name, bytes, input, options, progress);
    models.push(await job.run(files));
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

class Demonstration {
  private readonly model: Model;
  private readonly layers: readonly Layer[];
  private readonly params: number;
  private readonly tables = new Map<Granularity, CostTable>();
  private accuracy = 0;

  constructor(
    private readonly wasm: Wasm,
    private readonly name: string,
    private readonly bytes: Uint8Array,
    private readonly input: DemoInput,
    private readonly options: DemoOptions,
    private readonly stages: Stages,
  ) {
    this.model = foldBatchNormalization(readModel(bytes, name));
    this.layers = findLayers(this.model).layers;
    this.params = this.layers.reduce((n, l) => n + l.params, 0);
  }

  async run(files: Map<string, Uint8Array>): Promise<DemoModel> {
    const bits = this.options.bits ?? BITS;
    const stem = this.name.replace(/\.onnx$/, '');
    const widths = (b: number) => this.layers.map(() => b);
    const fp32 = {
      configuration: 'Baseline (FP32)',
      kind: 'fp32',
      nominalBits: 32,
      averageBits: 32,
      granularity: null,
    } as const;
    const rows: DemoRow[] = [await this.row({ ...fp32, bits: widths(32) }, this.bytes)];
    this.accuracy = rows[0]!.accuracy;
    let measured: QuantizeResult | undefined;
    for (const b of bits) {
      this.stages.next();
      const uniform = this.uniform(b);
      const about = { kind: 'uniform', nominalBits: b, granularity: 'tensor' } as const;
      rows.push(
        await this.row(
          { ...about, configuration: `Uniform ${b}-bit`, averageBits: uniform.averageBits, bits: widths(b) },
          uniform.file,
        ),
      );
      files.set(`${stem}-uniform-${b}b.onnx`, uniform.file);
      this.stages.next();
      const { result, granularity } = await this.guided(uniform.averageBits);
      measured = result;
      const { plan } = result;
      rows.push(
        await this.row(
          {
            kind: 'guided',
            nominalBits: b,
            granularity,
            configuration: `Guided (${b}-bit)`,
            averageBits: plan.averageBits,
            bits: plan.layers.map((l) => l.bits),
          },
          result.bytes,
        ),
      );
      files.set(`${stem}-guided-${b}b.onnx`, result.bytes);
    }
    return { name: this.name, layers: this.describe(measured), rows };
  }

  /** Every layer at that width as the document quantizes: symmetric, one scale a tensor, range to the largest weight. */
  private uniform(bits: number): { file: Uint8Array; averageBits: number } {
    const settings = { granularity: 'tensor', symmetric: true, rounding: 'nearest', format: 'dense' } as const;
    const plan: Plan = {
      version: 1,
      metric: 'none',
      strategy: 'uniform',
      objective: 'none',
      averageBits: bits,
      bytes: 0,
      predicted: 0,
      gap: null,
      layers: this.layers.map((l) => ({ name: l.name, weight: l.weight, bits, ...settings })),
    };
    const { model, layers } = new PrecisionAwareQuantizer(this.wasm, { clip: 'max', scaleType: 'float' }).quantizeModel(
      this.model,
      plan,
    );
    return { file: writeModel(model), averageBits: (8 * layers.reduce((n, l) => n + l.bytes, 0)) / this.params };
  }

  /** The better of one scale a channel and one a tensor within that many average bits, on the calibration data. */
  private async guided(averageBits: number): Promise<{ result: QuantizeResult; granularity: 'tensor' | 'channel' }> {
    let best: { result: QuantizeResult; granularity: 'tensor' | 'channel' } | undefined;
    const damage = (r: QuantizeResult) => r.report.allocations[0]?.damage ?? Number.POSITIVE_INFINITY;
    for (const granularity of ['channel', 'tensor'] as const) {
      const result = await quantize(this.wasm, this.bytes, {
        name: this.name,
        bits: Math.min(averageBits, this.mostBits(granularity)),
        calibration: this.input.calibration,
        granularity,
        table: this.tables.get(granularity),
        progress: this.stages.inner,
        signal: this.options.signal,
      });
      this.tables.set(granularity, result.table);
      if (!best || damage(result) < damage(best.result)) best = { result, granularity };
    }
    return best!;
  }

  /** Average bits with every layer at the widest width that guided may choose: its scales are half as wide as the document's. */
  private mostBits(granularity: Granularity): number {
    const spec = specFor({ ...DEFAULT_ROUNDING, granularity }, WIDEST);
    return (8 * this.layers.reduce((n, l) => n + gridBytes(l.rows, l.cols, spec), 0)) / this.params;
  }

  private async row(about: Omit<DemoRow, 'accuracy' | 'loss' | 'kl' | 'bytes'>, file: Uint8Array): Promise<DemoRow> {
    const name = `${this.name}, ${about.configuration}`;
    const reference = readModel(this.bytes, this.name);
    const { accuracy, reference: against } = await evaluateModels(
      this.wasm,
      readModel(file, name),
      reference,
      this.input.evaluation,
      { batch: BATCH, progress: this.stages.inner },
    );
    const own = accuracy ?? 0;
    const loss = about.kind === 'fp32' ? 0 : this.accuracy - own;
    return { ...about, bytes: file.length, accuracy: own, loss, kl: against?.kl ?? 0 };
  }

  private describe(measured: QuantizeResult | undefined): DemoModel['layers'] {
    return this.layers.map((l) => {
      const found = measured?.report.layers.find((r) => r.weight === l.weight);
      return {
        name: l.name,
        opType: l.opType,
        params: l.params,
        sigmaMax: found?.spectralCurvature ?? Number.NaN,
        lossCurvature: found?.lossCurvature ?? null,
      };
    });
  }
}
