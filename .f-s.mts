import { readFileSync } from 'node:fs';
import { readModel } from './src/onnx/index.ts';
import { Session } from './src/graph/index.ts';
import { loadWasm } from './test/helpers.ts';
import { PackedTensor } from './src/ops/packed.ts';
const wasm = await loadWasm();
for (const f of process.argv.slice(2)) {
const m = readModel(new Uint8Array(readFileSync(f)));
const feeds: any = {}; for (const i of m.graph.inputs) { const dims = i.dims!.map(d => typeof d === 'number' ? d : 1); const n = dims.reduce((a,b)=>a*b,1); feeds[i.name] = i.elemType === 7 ? { dtype: 'int64', dims, data: BigInt64Array.from({length:n}, (_, j) => BigInt((j*37)%200)) } : { dtype: 'float', dims, data: Float32Array.from({length:n}, (_, j) => Math.sin(j)) }; }
const out: any[] = [];
for (const packed of [true, false]) { const t = process.cpuUsage(); const s = new Session(m, wasm, { packed }); const c = process.cpuUsage(t); out.push(Object.values(s.run(feeds))[0]); console.log(f, packed, ((c.user+c.system)/1000).toFixed(0), 'ms', wasm.arena.used ?? ''); s.dispose(); }
let d = 0, mx = 0; const [a, b] = out; for (let i = 0; i < a.data.length; i++) { d = Math.max(d, Math.abs(a.data[i]-b.data[i])); mx = Math.max(mx, Math.abs(b.data[i])); } console.log('rel', d/mx);
}
