import * as native from 'onnxruntime-node';
import { withInitializers } from './src/graph/index.ts';
import { makeInitializer, writeModel } from './src/onnx/index.ts';
import { PrecisionAwareQuantizer } from './src/quantize/index.ts';
import { loadWasm } from './test/helpers.ts';
import { CASES, planFor, separateLayers } from './test/quantize/models.ts';
import { runIn } from './test/quantize/run.ts';
const wasm = await loadWasm();
for (const rt of ['node', 'web'] as const) for (const granularity of ['tensor', 'channel', 16, 8, 5] as const) for (const symmetric of [true, false]) {
  const { model, feeds } = separateLayers(CASES.map((_, i) => i), 25);
  const r = new PrecisionAwareQuantizer(wasm, { clip: 'max' }).quantizeModel(model, planFor(model, () => ({ bits: 2, granularity, symmetric, format: 'qdq' })));
  const floats = withInitializers(model, r.layers.map((l) => makeInitializer(l.weight, l.values)));
  const e = await runIn(rt, writeModel(floats), feeds), f = await runIn(rt, writeModel(r.model), feeds);
  console.log(rt, granularity, symmetric, CASES.map((c, i) => `${c.opType}${c.dims}:${e['y'+i]!.every((v, j) => v === f['y'+i]![j]) ? 'ok' : 'BAD'}`).join(' '));
}
