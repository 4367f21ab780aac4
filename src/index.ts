/**
 * Kappa's programming interface, the same in every environment: bytes in, bytes out, the kernels given as bytes or as a
 * compiled module. `kappa-onnx/node` adds what touches the disk.
 *
 *     const wasm = await Wasm.create(kernels);
 *     const { bytes, report } = await quantize(wasm, model, { bits: 4, calibration: datasetFromArrays(readNpz(npz)) });
 */

// Every operator, so that sessions can be made at once.
import './ops/index.ts';

// The whole job, and its parts.
export { ACTIVATION_WIDTHS, type ActivationOptions, type ActivationWidths } from './jobs/activations.ts';
export { type QuantizeOptions, type QuantizeResult, quantize } from './jobs/quantize.ts';
export { type AnalyzeOptions, analyzeModel } from './jobs/analyze.ts';
export { type Case, type CaseSet, checkCase, type Tolerance } from './jobs/check.ts';
export { type CompareOptions, compareModels } from './jobs/compare.ts';
export { type DemoInput, type DemoOptions, type DemoResult, demonstrate } from './jobs/demo.ts';
export {
  demonstrateLayers,
  type LayerDemoInput,
  type LayerDemoOptions,
  type LayerDemoResult,
} from './jobs/demo-layers.ts';
export { type EvaluateOptions, evaluateModels } from './jobs/evaluate.ts';
export { inspectModel } from './jobs/inspect.ts';
export { type RunModelOptions, runModel } from './jobs/run.ts';
export { type Measurement, type MeasureOptions, measureModel } from './jobs/measure.ts';
export { type MetricRank, metricRanks } from './jobs/ranks.ts';
export { type SearchOptions, type Unit, UNITS } from './jobs/search.ts';
export { type SweepOptions, sweep } from './jobs/sweep.ts';
export { DROP_MEASURES, type MaxDrop } from './jobs/targets.ts';

// The four classes.
export {
  type AnalyzerOptions,
  CurvatureQuantizationAnalyzer,
  DEFAULT_ROUNDING,
  type LayerCurvature,
} from './analyzer.ts';
export { BitWidthOptimizer, type Budget, type OptimizerOptions } from './allocate/index.ts';
export {
  PrecisionAwareQuantizer,
  type QuantizedLayer,
  type QuantizedModel,
  type QuantizerOptions,
} from './quantize/quantizer.ts';

export type { ErrorEstimate, LayerError } from './verify/estimate.ts';
export { PrecisionRequirement } from './verify/requirement.ts';
export {
  failureOf,
  type RuntimeName,
  type RuntimeResult,
  runtimesFor,
  type VerificationReport,
} from './verify/runtime.ts';
export {
  QuantizationValidator,
  type Requirements,
  type ValidationBatch,
  type ValidationReport,
  type ValidatorOptions,
} from './verify/validator.ts';

// What can be extended, and the names there are.
export {
  type GeneralObjective,
  HARDWARE_WIDTHS,
  type Item,
  type Objective,
  objectiveNames,
  type Option,
  parseCostTable,
  parsePlan,
  type Problem,
  registerObjective,
  registerStrategy,
  type Selection,
  type SeparableObjective,
  type Solution,
  type Strategy,
  type StrategyName,
  strategyNames,
} from './allocate/index.ts';
export type {
  Choice,
  CostActivations,
  CostGroup,
  CostLayer,
  CostProduct,
  CostTable,
  Granularity,
  Plan,
  PlanActivation,
  PlanActivations,
  PlanLayer,
} from './allocate/types.ts';
export {
  type CurvatureFunction,
  curvatureOf,
  curvatureOperators,
  type OperatorCurvature,
  type OperatorFacts,
  registerCurvature,
} from './curvature/operators.ts';
export type { LossName } from './curvature/damage.ts';
export {
  type Checkpoint,
  type Measured,
  type Metric,
  type MetricContext,
  type MetricData,
  metricNames,
  registerMetric,
} from './curvature/metric.ts';
export { type Agreement, type RankAgreement, rankAgreement } from './curvature/ranking.ts';
export type { WeightFormat } from './quantize/format.ts';
export { FORMATS } from './quantize/formats.ts';
export { type HalfReport, type Rest, RESTS } from './quantize/half.ts';
export { FORCED, type Target, TARGETS } from './quantize/targets.ts';
export { type Rounding, ROUNDINGS } from './quantize/rounding.ts';

// Models.
export { externalLocations, makeInitializer, makeNode, readModel, writeModel } from './onnx/index.ts';
export type { Attribute, External, Graph, Initializer, Model, Node, ValueInfo } from './onnx/index.ts';
export {
  equalize,
  type EqualizedPair,
  findLayers,
  foldBatchNormalization,
  prepareModel,
  type Layer,
  type Observer,
  type RunOptions,
  Session,
  type Trace,
} from './graph/index.ts';

// Data.
export { RANGE_METHODS, type RangeMethod } from './calibrate/ranges.ts';
export { type Synthetic, type SyntheticOptions, syntheticDataset } from './calibrate/synthetic.ts';
export { drawnDataset } from './jobs/drawn.ts';
export {
  type Batch,
  type BatchOptions,
  checkDataset,
  type Column,
  type Dataset,
  datasetFromArrays,
  datasetFromImages,
  datasetFromSamples,
  IMAGE_FITS,
  IMAGE_LAYOUTS,
  IMAGE_ORDERS,
  type ImageFile,
  imageFilesFromZip,
  type ImageFit,
  type ImageLayout,
  type ImageOptions,
  type ImageOrder,
  isImagePath,
  readNpy,
  readNpz,
  readTensorProto,
  type Sample,
  sampleFromProtos,
  writeNpy,
  writeNpz,
} from './data/index.ts';

export type { Progress } from './progress.ts';

// Reports, errors, tensors, kernels.
export type {
  ActivationPicture,
  ActivationPictures,
  HistogramPicture,
  LayerPicture,
  PredictedPoint,
  QuantizePictures,
} from './report/pictures.ts';
export type { DemoLayer, DemoModel, DemoReport, DemoRow } from './report/demo.ts';
export type { Component } from './report/demo-components.ts';
export type { LayerDemoFile, LayerDemoReport, LayerDemoRow } from './report/demo-layers.ts';
export type * from './report/types.ts';
export type { TuneReport } from './tune/index.ts';
export * from './errors.ts';
export * from './tensor.ts';
export { VERSION } from './version.ts';
export type { Arena } from './wasm/arena.ts';
export { type KernelCall, KernelError, type KernelName } from './wasm/calls.ts';
export {
  type Build,
  BUILDS,
  fastestBuild,
  kernelFile,
  supportsRelaxed,
  supportsSimd,
  supportsThreads,
} from './wasm/features.ts';
export type { Kernels } from './wasm/kernels.ts';
export { withSharedMemory } from './wasm/shared.ts';
export { MAX_THREADS, Wasm, type WasmOptions } from './wasm/wasm.ts';
export type { PoolWorker, Spawn, WorkerData } from './wasm/worker.ts';
