import { writeFacts } from '../analyzer/facts-file.ts';
import type { CostTable, Granularity } from '../allocate/types.ts';
import type { Dataset } from '../data/dataset.ts';
import { readModel } from '../onnx/index.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { analyzerFor, checkLayers, type MeasuringOptions } from './options.ts';

/** What `measureModel` may be told. */
export interface MeasureOptions extends MeasuringOptions {
  /** Without data the table is a proxy made of the weights alone. */
  readonly calibration?: Dataset | undefined;
}

/** What one measurement gives: any number of budgets can be met from it without running the model again. */
export interface Measurement {
  readonly table: CostTable;
  readonly widths: readonly number[];
  /** Of the grids that were measured, and so of plans made from the table. */
  readonly granularity: Granularity;
  readonly asymmetricBits: readonly number[];
  readonly rounding: string;
  /** Number of quantizable weights. */
  readonly quantizable: number;
  readonly left: readonly { readonly weight: string; readonly reason: string }[];
  /** Samples calibrated on, those of them measured for the table, and those whole plans will be judged by; null without data. */
  readonly calibration: { readonly samples: number; readonly measured: number; readonly judged: number } | null;
  /** For `QuantizeOptions.kept`; undefined without data, and where nothing fits. */
  readonly kept: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Calibrates and measures a model, and chooses nothing: `quantize` with the table and what was kept makes the same file as without.
 * @throws as `quantize` does
 */
export async function measureModel(wasm: Wasm, bytes: Uint8Array, options: MeasureOptions = {}): Promise<Measurement> {
  const name = options.name ?? 'model';
  const analyzer = await analyzerFor(readModel(bytes, name, { external: options.external }), wasm, options);
  try {
    checkLayers(name, analyzer);
    if (options.calibration) await analyzer.calibrate(options.calibration);
    await analyzer.computeCurvature();
    const { granularity, asymmetricBits, rounding } = analyzer.rounding;
    const { facts } = analyzer;
    return {
      table: await analyzer.costTable(),
      widths: analyzer.widths,
      granularity,
      asymmetricBits,
      rounding,
      quantizable: analyzer.quantizable,
      left: analyzer.left,
      calibration: analyzer.calibrated ?? null,
      kept: facts && writeFacts(wasm, facts, analyzer.layers),
    };
  } finally {
    analyzer.dispose();
  }
}
