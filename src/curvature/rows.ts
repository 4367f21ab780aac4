import type { Layer } from '../graph/layers.ts';
import { gramErrorRows } from '../grid/grid.ts';
import type { MetricContext, MetricData } from './metric.ts';

/**
 * What `localError` sums: the error each row of a quantized weight (row form) makes at the layer's output on the calibration data.
 * dw H dw' where H = E[x x'] is known; the squares of dw otherwise, in a table each times the row's share of the look-ups.
 */
export function localErrorRows(
  context: Pick<MetricContext, 'wasm' | 'candidates'>,
  data: Pick<MetricData, 'calibration'>,
  layer: Layer,
  values: Float32Array,
): Float64Array {
  const float = context.candidates.float(layer);
  const found = data.calibration.layers.get(layer.weight);
  if (found?.gram) return gramErrorRows(context.wasm, float, values, layer.rows, layer.cols, found.gram, layer.groups);
  const errors = new Float64Array(layer.rows);
  for (let r = 0; r < layer.rows; r++) {
    let square = 0;
    for (let i = r * layer.cols; i < (r + 1) * layer.cols; i++) {
      const d = values[i]! - float[i]!;
      square += d * d;
    }
    errors[r] = square * (found?.rowWeights?.[r] ?? 1);
  }
  return errors;
}

/**
 * The same for rows left out, each of which gives what it gave on average: w (H - E[x] E[x]') w'.
 * @throws RangeError for a layer whose candidates omit none
 */
export function leftOutErrorRows(
  context: Pick<MetricContext, 'wasm' | 'candidates'>,
  data: Pick<MetricData, 'calibration'>,
  layer: Layer,
): Float64Array {
  const means = context.candidates.means(layer);
  const nothing = new Float32Array(layer.rows * layer.cols);
  return localErrorRows(context, data, layer, nothing).map((e, r) => Math.max(0, e - means[r]! ** 2));
}
