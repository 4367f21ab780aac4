import { readFileSync, writeFileSync } from 'node:fs';
import { readModel, writeModel } from './src/onnx/index.ts';
import { parsePlan } from './src/node.ts';
import { prepareModel } from './src/graph/index.ts';
import { PrecisionAwareQuantizer } from './src/quantize/index.ts';
import { loadWasm } from './test/helpers.ts';
const wasm = await loadWasm();
const r = new PrecisionAwareQuantizer(wasm, { scaleType: 'float16', keepValues: false, clip: 'max' }).quantizeModel(prepareModel(readModel(new Uint8Array(readFileSync(process.argv[2])))), parsePlan(JSON.parse(readFileSync(process.argv[3],'utf8')), 'plan'));
writeFileSync(process.argv[4], writeModel(r.model));
