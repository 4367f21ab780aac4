import { readFileSync, writeFileSync } from 'node:fs';
import { quantize } from './src/jobs/quantize.ts';
import { loadKernels } from './src/node.ts';
import { readModel, writeModel, withGraph } from './src/onnx/index.ts';
import { Session } from './src/graph/index.ts';
import { drawnDataset } from './src/jobs/drawn.ts';
import ortn from 'onnxruntime-node';
const wasm = await loadKernels();
const rel = (a: Float32Array, b: Float32Array) => { let d = 0, m = 0; for (let i = 0; i < a.length; i++) { d = Math.max(d, Math.abs(a[i]! - b[i]!)); m = Math.max(m, Math.abs(b[i]!)); } return d / m; };
const p = process.argv[2]!;
const bytes = new Uint8Array(readFileSync(p)); const model = readModel(bytes);
const r = await quantize(wasm, bytes, { name: p, dataFree: true, samples: 6, activations: 8, budgetBytes: 1e9, widths: [8], rounding: 'nearest', metric: 'spectral' });
writeFileSync('/tmp/a_face.onnx', r.bytes);
const q = readModel(r.bytes);
const { dataset } = await drawnDataset(wasm, model, { samples: 1, seed: 3 } as never);
for await (const { feeds } of dataset.batches(1, { limit: 1 })) {
  const fn = Object.fromEntries(Object.entries(feeds).map(([k, t]) => [k, new ortn.Tensor('float32', t.data as never, t.dims as never)]));
  for (const packed of [true, false]) {
  const own = new Session(q, wasm, { packed } as never); const o = own.run(feeds);
  const seen = new Map<string, Float32Array>();
  const oo = own.run(feeds, { observe: (n, _, outs) => n.outputs.forEach((k, i) => { if (outs[i]?.dtype === 'float') seen.set(k, Float32Array.from(outs[i]!.data as Float32Array)); }) });
  for (const lvl of ['disabled', 'basic', 'extended', 'all'] as const) {
    const s = await ortn.InferenceSession.create(r.bytes, { logSeverityLevel: 3, graphOptimizationLevel: lvl } as never);
    const y = await s.run(fn);
    for (const k of s.outputNames) console.log(packed, lvl, k, 'run', rel(o[k]!.data as never, y[k]!.data as never), 'observed', rel(oo[k]!.data as never, y[k]!.data as never));
  }
  if (packed) {
    const names = q.graph.nodes.filter((n) => n.opType !== 'DequantizeLinear' && n.opType !== 'QuantizeLinear').flatMap((n) => n.outputs).filter((v) => seen.has(v));
    const ex = withGraph(q, { outputs: names.map((name) => ({ name, elemType: 1, dims: undefined })) });
    const s = await ortn.InferenceSession.create(writeModel(ex), { logSeverityLevel: 3, graphOptimizationLevel: 'disabled' } as never);
    const y = await s.run(fn); let shown = 0;
    for (const k of names) { const d = rel(seen.get(k)!, y[k]!.data as never); if (d > 1e-3 && shown++ < 8) console.log('  diff', k, d, q.graph.nodes.find((n) => n.outputs.includes(k))!.opType, seen.get(k)!.length); }
  } }
}
process.exit(0);
