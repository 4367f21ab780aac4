import { readFileSync } from 'node:fs';
import { quantize } from './src/jobs/quantize.ts';
import { loadKernels } from './src/node.ts';
import { readModel } from './src/onnx/index.ts';
import { Session } from './src/graph/index.ts';
import { activationsText } from './src/report/activations.ts';
import { drawnDataset } from './src/jobs/drawn.ts';
import * as ortw from 'onnxruntime-web';
import ortn from 'onnxruntime-node';
ortw.env.wasm.numThreads = 1;
const wasm = await loadKernels();
const rel = (a: Float32Array, b: Float32Array) => { let d = 0, m = 0; for (let i = 0; i < a.length; i++) { d = Math.max(d, Math.abs(a[i]! - b[i]!)); m = Math.max(m, Math.abs(b[i]!)); } return d / m; };
for (const p of process.argv.slice(2)) {
  try {
    const bytes = new Uint8Array(readFileSync(p)); const model = readModel(bytes);
    const t = Date.now();
    const r = await quantize(wasm, bytes, { name: p, dataFree: true, samples: 6, activations: 8, budgetBytes: 1e9, widths: [8], rounding: 'nearest', metric: 'spectral' });
    console.log(p.split('/').pop(), 'opset', model.opsets.get(''), '->', readModel(r.bytes).opsets.get(''), bytes.length, '->', r.bytes.length, (Date.now() - t) / 1000, 's', 'damage w', r.report.activations!.weights, 'act', r.report.activations!.together);
    console.log(activationsText(r.report.activations!, r.report.unit).split('\n').filter((l) => !l.startsWith('  ')).join('\n'));
    const { dataset } = await drawnDataset(wasm, model, { samples: 1, seed: 3 } as never);
    for await (const { feeds } of dataset.batches(1, { limit: 1 })) {
      const own = new Session(readModel(r.bytes), wasm); const o = own.run(feeds); own.dispose();
      const mk = (T: any) => Object.fromEntries(Object.entries(feeds).map(([k, t]) => [k, new T(t.dtype === 'float' ? 'float32' : t.dtype, t.data, t.dims)]));
      const wf = await ortw.InferenceSession.create(bytes), wq = await ortw.InferenceSession.create(r.bytes), nq = await ortn.InferenceSession.create(r.bytes, { logSeverityLevel: 3 } as never);
      const fw = mk(ortw.Tensor), fn = mk(ortn.Tensor);
      const yw = await wq.run(fw), yn = await nq.run(fn), yf = await wf.run(fw);
      for (const k of wq.outputNames.slice(0, 2)) console.log('  ', k, 'own-web', rel(o[k]!.data as never, yw[k]!.data as never), 'own-node', rel(o[k]!.data as never, yn[k]!.data as never), 'q-f32', rel(yw[k]!.data as never, yf[k]!.data as never));
      const ts: Record<string, number[]> = { f: [], q: [] };
      for (let i = 0; i < 7; i++) for (const [k, s] of [['f', wf], ['q', wq]] as const) { const a = process.cpuUsage(); await s.run(fw); const b = process.cpuUsage(a); ts[k]!.push((b.user + b.system) / 1000); }
      const med = (k: string) => ts[k]!.sort((a, b) => a - b)[3]!;
      console.log('   web x', (med('f') / med('q')).toFixed(2), med('f'), med('q'));
    }
  } catch (e) { console.log(p, 'ERROR', String(e).slice(0, 400)); }
}
process.exit(0);
