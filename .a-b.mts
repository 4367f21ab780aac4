import { datasetFromArrays } from './src/data/index.ts';
import { quantize } from './src/jobs/quantize.ts';
import { writeModel } from './src/onnx/index.ts';
import { loadWasm } from './test/helpers.ts';
import { inputFor, residual } from './test/quantize/activations/nets.ts';
const wasm = await loadWasm(); const m = residual();
const calibration = datasetFromArrays(new Map([['x', inputFor(m, 40)]]), 'data');
for (const b of [2**20, 8200, 8100, 7900, 7500, 7000, 6000]) for (const a of [8, 'none'] as const) { try { const r = await quantize(wasm, writeModel(m), { name: 'n', widths: [4, 8], seed: 1, budgetBytes: b, calibration, activations: a });
 console.log(b, a, r.bytes.length, r.report.activations?.mode, r.report.activations?.operators, r.report.chosen, r.report.averageBits); } catch (e) { console.log(b, a, String(e)); } }
