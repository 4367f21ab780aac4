import { readFileSync, writeFileSync } from 'node:fs';
import { readModel, writeModel, withGraph } from './src/onnx/index.ts';
import { loadKernels } from './src/node.ts';
import { drawnDataset } from './src/jobs/drawn.ts';
import ortn from 'onnxruntime-node';
const wasm = await loadKernels();
const rel = (a: Float32Array, b: Float32Array) => { let d = 0, m = 0; for (let i = 0; i < a.length; i++) { d = Math.max(d, Math.abs(a[i]! - b[i]!)); m = Math.max(m, Math.abs(b[i]!)); } return d / m; };
const q = readModel(new Uint8Array(readFileSync('/tmp/a_face.onnx')));
const model = readModel(new Uint8Array(readFileSync(process.argv[2]!)));
const { dataset } = await drawnDataset(wasm, model, { samples: 1, seed: 3 } as never);
for await (const { feeds } of dataset.batches(1, { limit: 1 })) {
  const fn = Object.fromEntries(Object.entries(feeds).map(([k, t]) => [k, new ortn.Tensor('float32', t.data as never, t.dims as never)]));
  const names = q.graph.nodes.filter((n) => ['Conv', 'Relu', 'Clip', 'MaxPool'].includes(n.opType)).flatMap((n) => n.outputs);
  let bad = 0;
  for (const name of names) {
    const b = writeModel(withGraph(q, { outputs: [{ name, elemType: 1, dims: undefined }] }));
    const run = async (lvl: string) => { const s = await ortn.InferenceSession.create(b, { logSeverityLevel: 3, graphOptimizationLevel: lvl === 'basic' ? 'extended' : lvl } as never); return (await s.run(fn))[name]!.data as Float32Array; };
    const d = rel(await run('basic'), await run('disabled'));
    const node = q.graph.nodes.find((n) => n.outputs.includes(name))!;
    if (d > 1e-4) { { const A = await run('basic'), B = await run('disabled'); let c = 0; for (let i = 0; i < A.length; i++) if (Math.abs(A[i]! - B[i]!) > 1e-6) c++; console.log(c, 'of', A.length); } console.log(name.slice(-50), node.opType, d, node.inputs.map((v) => v.slice(-40)).join(' | '));
      const q1 = q.graph.nodes.filter((n) => n.inputs.includes(name)); console.log('   readers', q1.map((n) => n.opType).join(), 'shape attr', [...node.attributes].map(([k, v]) => `${k}=${v.value}`).join(' ')); writeFileSync('/tmp/a_bad.onnx', b); if (++bad >= 6) break; }
  }
}
process.exit(0);
