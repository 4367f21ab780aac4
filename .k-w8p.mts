import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';
import { readModel, writeModel, Session, loadKernels, makeInitializer, makeNode } from './src/node.ts';
import { foldBatchNormalization } from './src/graph/index.ts';
import { resnet18 } from './bench/speed/resnet18.ts';
ort.env.wasm.numThreads = 1;
const which = process.argv[2] ?? 'resnet18';
const batch = Number(process.argv[3] ?? 1);
const bytes = which === 'resnet18' ? resnet18() : readFileSync('models/resnet18-fashion.onnx');
const wasm = await loadKernels({ build: 'plain', threads: 1 });
const model = foldBatchNormalization(readModel(bytes, 'm'));
const float = new Session(model, wasm);
const input = float.inputs[0]!.name;
const dims = which === 'resnet18' ? [batch, 3, 224, 224] : [batch, 1, 28, 28];
const data = new Float32Array(dims.reduce((a, b) => a * b)).map((_, i) => 1.5 * Math.sin(i * 1.7 + i * i * 1e-3));
const feeds = { [input]: { dtype: 'float' as const, dims, data } };
const range = new Map<string, [number, number]>();
const see = (name: string, d: ArrayLike<number>) => { let lo = 0, hi = 0; for (let i = 0; i < d.length; i++) { lo = Math.min(lo, d[i]!); hi = Math.max(hi, d[i]!); } range.set(name, [lo, hi]); };
see(input, data);
float.run(feeds, { observe: (n, _, outs) => n.outputs.forEach((o, i) => outs[i]!.dtype === 'float' && see(o, outs[i]!.data as Float32Array)) });
const inits: any[] = [...model.graph.initializers]; const nodes: any[] = [];
const byName = new Map(model.graph.initializers.map((i) => [i.name, i]));
const readers = new Map<string, any[]>(); for (const n of model.graph.nodes) for (const v of n.inputs) readers.set(v, [...(readers.get(v) ?? []), n]);
const params = new Map<string, { s: string; z: string; scale: number }>();
const keep = (name: string, t: any) => { inits.push(makeInitializer(name, t)); return name; };
const one = (dtype: string, v: number) => ({ dtype, dims: [], data: dtype === 'float' ? Float32Array.of(v) : Uint8Array.of(v) });
const dq = new Map<string, string>();
const quant = (v: string, like?: string) => {
  let p = like === undefined ? undefined : params.get(like);
  if (!p) { const [lo, hi] = range.get(v)!; const scale = Math.fround((hi - lo) / 255) || 1; p = { scale, s: keep(v + '_s', one('float', scale)), z: keep(v + '_z', one('uint8', Math.round(-lo / scale))) }; }
  params.set(v, p);
  nodes.push(makeNode('QuantizeLinear', [v, p.s, p.z], [v + '_q'], {}, { name: v + '_Q', domain: '' }), makeNode('DequantizeLinear', [v + '_q', p.s, p.z], [v + '_d'], {}, { name: v + '_D', domain: '' }));
  dq.set(v, v + '_d');
};
quant(input);
for (const n of model.graph.nodes) {
  const ins = n.inputs.map((v) => dq.get(v) ?? v);
  if ((n.opType === 'Conv' || n.opType === 'Gemm') && byName.has(n.inputs[1]!)) {
    const w = byName.get(n.inputs[1]!)!.tensor(); const m = w.dims[0]!; const per = w.data.length / m;
    const scales = new Float32Array(m); const codes = new Int8Array(w.data.length);
    for (let i = 0; i < m; i++) { let a = 0; for (let j = 0; j < per; j++) a = Math.max(a, Math.abs(Number(w.data[i * per + j]))); scales[i] = a / 127 || 1; for (let j = 0; j < per; j++) codes[i * per + j] = Math.round(Number(w.data[i * per + j]) / scales[i]!); }
    const q = n.inputs[1]!;
    nodes.push(makeNode('DequantizeLinear', [keep(q + '_q', { dtype: 'int8', dims: w.dims, data: codes }), keep(q + '_s', { dtype: 'float', dims: [m], data: scales }), keep(q + '_z', { dtype: 'int8', dims: [m], data: new Int8Array(m) })], [q + '_d'], { axis: { type: 'int', value: 0 } }, { name: q + '_D', domain: '' }));
    ins[1] = q + '_d';
    const b = n.inputs[2]; const sx = params.get(n.inputs[0]!)!.scale;
    if (b) { const t = byName.get(b)!.tensor(); const u = scales.map((s) => sx * s);
      nodes.push(makeNode('DequantizeLinear', [keep(b + q + '_q', { dtype: 'int32', dims: [m], data: Int32Array.from(u, (s, i) => Math.round(Number(t.data[i]) / s)) }), keep(b + q + '_s', { dtype: 'float', dims: [m], data: u })], [b + q + '_d'], { axis: { type: 'int', value: 0 } }, { name: b + q + '_D', domain: '' })); ins[2] = b + q + '_d'; }
  }
  nodes.push({ ...n, wire: undefined, inputs: ins });
  const y = n.outputs[0]!; const next = readers.get(y) ?? [];
  const relu = next.length === 1 && next[0].opType === 'Relu';
  if ((n.opType === 'Conv' || n.opType === 'Add') && !relu) quant(y);
  if (n.opType === 'Relu') quant(y);
  if (n.opType === 'MaxPool') quant(y, n.inputs[0]);
  if (n.opType === 'Flatten' || n.opType === 'GlobalAveragePool') quant(y, n.opType === 'Flatten' ? n.inputs[0] : undefined);
}
const out = writeModel({ ...model, wire: undefined, opsets: new Map([['', 17]]), irVersion: 8, graph: { ...model.graph, wire: undefined, nodes, initializers: inits, valueInfo: [] } } as any);
const q = new Session(readModel(out, 'q'), wasm);
console.log((q as any).nodes.length, 'nodes');
const name = q.outputs[0]!.name;
const cpu = () => { const t = process.cpuUsage(); return (t.user + t.system) / 1000; };
const med = (v: number[]) => v.sort((x, y) => x - y)[v.length >> 1]!;
const works = [() => q.run(feeds)];
const it = which === 'resnet18' ? 1 : batch > 1 ? 4 : 25;
for (let r = 0; r < (it > 1 ? 10 : 2); r++) for (const w of works) for (let i = 0; i < it; i++) await w();
for (let i = 0; i < Number(process.argv[4]); i++) q.run(feeds);
