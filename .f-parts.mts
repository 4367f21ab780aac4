import { readFileSync } from 'node:fs';
import { readModel, writeModel } from './src/onnx/index.ts';
import { parsePlan } from './src/node.ts';
import { prepareModel } from './src/graph/index.ts';
import { PrecisionAwareQuantizer } from './src/quantize/index.ts';
import { loadWasm } from './test/helpers.ts';
const wasm = await loadWasm();
const bytes = new Uint8Array(readFileSync(process.argv[2]));
const plan = parsePlan(JSON.parse(readFileSync(process.argv[3],'utf8')), 'plan');
const model = prepareModel(readModel(bytes));
const q = new PrecisionAwareQuantizer(wasm, { scaleType: 'float16', keepValues: false });
const sets = new Map(); for (const l of plan.layers) { const k = [...new Set(l.rowBits ?? [l.bits])].sort().join(); sets.set(k, (sets.get(k) ?? 0) + 1); } console.log([...sets]);
const r = q.quantizeModel(model, plan);
const size = writeModel(r.model).length; const rest0 = writeModel(model).length - model.graph.initializers.filter(t => plan.layers.some(l => l.weight === t.name)).reduce((n, t) => n + t.tensor().data.byteLength, 0);
const p = { codes:0, scales:0, zeros:0, order:0 }; let weights = 0;
for (const l of r.layers) { for (const k of Object.keys(p)) p[k] += l.stored[k]; weights += l.params*4; }
const payload = p.codes+p.scales+p.zeros;
console.log(size, p, 'weights', weights, 'rest', rest0, 'over without order', size - payload - p.order - (rest0), ((size - payload - p.order - rest0)/size*100).toFixed(2)+'%', 'with order', ((size - payload - rest0)/size*100).toFixed(2)+'%', 'functions', r.model.functions.length, 'shared', r.sharedBytes);
