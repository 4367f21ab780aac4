import { readFileSync, writeFileSync } from 'node:fs';
import { readModel, writeModel } from './src/onnx/index.ts';
import { parsePlan } from './src/node.ts';
import { prepareModel } from './src/graph/index.ts';
import { PrecisionAwareQuantizer } from './src/quantize/index.ts';
import { loadWasm } from './test/helpers.ts';
const wasm = await loadWasm();
const bytes = new Uint8Array(readFileSync(process.argv[2]));
const plan = parsePlan(JSON.parse(readFileSync(process.argv[3],'utf8')), 'plan');
const model = prepareModel(readModel(bytes));
const q = new PrecisionAwareQuantizer(wasm, { scaleType: 'float16', keepValues: false, clip: 'max' });
for (const bits of [3, 4, 6, 8]) {
  const r = q.quantizeModel(model, { ...plan, layers: plan.layers.map(({ rowBits, asymmetricBits, ...l }) => ({ ...l, rounding: 'nearest', bits })) });
  writeFileSync(`/tmp/f-u${bits}.onnx`, writeModel(r.model)); console.log(bits, writeModel(r.model).length, r.model.graph.nodes.length);
}
const r = q.quantizeModel(model, { ...plan, layers: plan.layers.map((l) => ({ ...l, rounding: 'nearest' })) });
writeFileSync(`/tmp/f-m.onnx`, writeModel(r.model)); console.log('mixed', writeModel(r.model).length, r.model.graph.nodes.length);
