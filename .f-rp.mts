import { readFileSync, writeFileSync } from 'node:fs';
import { readModel } from './src/onnx/index.ts';
import { findLayers, prepareModel } from './src/graph/index.ts';
const m = prepareModel(readModel(new Uint8Array(readFileSync(process.argv[2]))));
let s = 1; const rnd = () => (s = (s * 48271) % 2147483647) / 2147483647;
const layers = findLayers(m).layers.map(l => { const lo = 2 + Math.floor(rnd()*3), hi = lo + 1 + Math.floor(rnd()*3); const rowBits = Array.from({length: l.rows}, () => lo + Math.floor(rnd()*(hi-lo+1))); const u = [...new Set(rowBits)]; return { name: l.name, weight: l.weight, bits: Math.max(...rowBits), ...(u.length > 1 ? { rowBits } : {}), granularity: 'channel', symmetric: false, rounding: 'nearest', format: 'dense' }; });
writeFileSync(process.argv[3], JSON.stringify({ version: 1, metric: 'none', strategy: 'none', objective: 'none', averageBits: 4, bytes: 0, predicted: 0, gap: null, layers }));
