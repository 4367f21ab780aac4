import { readFileSync } from 'node:fs';
import { readModel } from './src/onnx/index.ts';
const m = readModel(new Uint8Array(readFileSync(process.argv[2])));
const orig = new Set(readModel(new Uint8Array(readFileSync(process.argv[3]))).graph.initializers.map(i=>i.name));
const by = new Map(); 
const re = /^k[0-9a-z]+$/;
for (const n of m.graph.nodes) { if (![...n.inputs, ...n.outputs].some(v => re.test(v))) continue; const l = n.wire.length + 2; const e = by.get(n.opType) ?? [0,0]; e[0]++; e[1]+=l; by.set(n.opType, e); }
for (const t of m.graph.initializers) { if (!re.test(t.name)) continue; const raw = t.tensor().data.byteLength; const l = t.wire.length + 3 - (t.dataType === 7 ? 0 : raw); const k = 'init ' + t.dataType; const e = by.get(k) ?? [0,0,0]; e[0]++; e[1]+=l; by.set(k, e); }
console.log([...by].map(([k, [n, b]]) => `${k}: ${n} x, ${b} B`).join('\n'));
console.log(m.graph.nodes.filter(n=>n.opType==='Split').map(n=>[n.wire.length,n.outputs.length].join(':')).join(' '));
