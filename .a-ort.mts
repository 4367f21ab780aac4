import { readFileSync } from 'node:fs';
import { readModel } from '/work/main/src/onnx/index.ts';
import { Session } from '/work/main/src/graph/index.ts';
import { loadKernels, openDataset } from '/work/main/src/node.ts';
import ortn from 'onnxruntime-node';
import * as ortw from 'onnxruntime-web';
const [f32, q, data, mode] = process.argv.slice(2) as string[];
ortw.env.wasm.numThreads = 1;
const model = readModel(new Uint8Array(readFileSync(f32!)));
const ds = await openDataset(`/work/main/models/${data}.npz`, model);
const opts = { intraOpNumThreads: 1, interOpNumThreads: 1 } as const;
const dump = '/tmp/a_dump.onnx';
const nq = await ortn.InferenceSession.create(q!, { ...opts, optimizedModelFilePath: dump } as never);
const c: Record<string, number> = {};
for (const n of readModel(new Uint8Array(readFileSync(dump))).graph.nodes) { const k = `${n.domain ? 'ms.' : ''}${n.opType}`; c[k] = (c[k] ?? 0) + 1; }
console.log('node graph', c);
const nf = await ortn.InferenceSession.create(f32!, opts as never);
const t = performance.now(); const wf = await ortw.InferenceSession.create(new Uint8Array(readFileSync(f32!))); const t2 = performance.now();
const wq = await ortw.InferenceSession.create(new Uint8Array(readFileSync(q!))); const t3 = performance.now();
console.log('web load fp32', (t2 - t).toFixed(0), 'q', (t3 - t2).toFixed(0));
const wasm = await loadKernels();
const own = new Session(readModel(new Uint8Array(readFileSync(q!))), wasm);
const rel = (a: Float32Array, b: Float32Array) => { let d = 0, m = 0; for (let i = 0; i < a.length; i++) { d = Math.max(d, Math.abs(a[i]! - b[i]!)); m = Math.max(m, Math.abs(b[i]!)); } return d / m; };
for (const bs of [1, 16]) {
  for await (const { feeds } of ds.batches(bs, { limit: bs })) {
    const mk = (T: typeof ortn.Tensor) => Object.fromEntries(Object.entries(feeds).map(([k, t]) => [k, new T(t.dtype === 'float' ? 'float32' : t.dtype as never, t.data as never, t.dims as number[])]));
    const fn = mk(ortn.Tensor), fw = mk(ortw.Tensor as never);
    const o = own.run(feeds); const key = Object.keys(o)[0]!;
    const on = (await nq.run(fn))[key]!.data as Float32Array, ow = (await wq.run(fw as never))[key]!.data as Float32Array, of = (await nf.run(fn))[key]!.data as Float32Array;
    const oo = o[key]!.data as Float32Array;
    console.log('bs', bs, 'own-node', rel(oo, on), 'own-web', rel(oo, ow), 'node-web', rel(on, ow), 'quant-f32', rel(on, of));
    const bench = async (fns: Record<string, () => Promise<unknown>>, reps: number, inner: number) => {
      const times: Record<string, number[]> = {};
      for (const k in fns) { await fns[k]!(); times[k] = []; }
      for (let r = 0; r < reps; r++) for (const k in fns) { const s = process.cpuUsage(); for (let i = 0; i < inner; i++) await fns[k]!(); const e = process.cpuUsage(s); times[k]!.push((e.user + e.system) / 1000 / inner); }
      return Object.fromEntries(Object.entries(times).map(([k, v]) => [k, v.sort((a, b) => a - b)[v.length >> 1]!]));
    };
    const r = await bench({ wf: () => wf.run(fw as never), wq: () => wq.run(fw as never), nf: () => nf.run(fn), nq: () => nq.run(fn) }, 9, bs === 1 ? 20 : 3);
    console.log('bs', bs, 'ms', JSON.stringify(r), 'web x', (r.wf! / r.wq!).toFixed(2), 'node x', (r.nf! / r.nq!).toFixed(2));
  }
}
process.exit(0);
