/** Plans applied to models: rounding, output formats, graph rewriting. */
export { Builder, type Part } from './builder.ts';
export type { QuantizedWeight, WeightFormat, WrittenSpec } from './format.ts';
export { FORMATS } from './formats.ts';
export {
  PrecisionAwareQuantizer,
  type QuantizedLayer,
  type QuantizedModel,
  type QuantizerOptions,
} from './quantizer.ts';
export { type LayerGram, type Rounding, ROUNDINGS } from './rounding.ts';
