import { readFileSync } from 'node:fs';
import { readModel } from './src/onnx/index.ts';
import { canRaise } from './src/graph/index.ts';
for (const p of process.argv.slice(2)) { const m = readModel(new Uint8Array(readFileSync(p))); const c: Record<string, number> = {}; for (const n of m.graph.nodes) c[n.opType] = (c[n.opType] ?? 0) + 1; console.log(p.split('/').pop(), m.opsets.get(''), JSON.stringify(c));
 const seen = new Set<string>(); const from = m.opsets.get('')!; for (const n of m.graph.nodes) if (!seen.has(n.opType) && !canRaise({ ...m, graph: { ...m.graph, nodes: [n] } } as never, Math.max(13, from))) { seen.add(n.opType); console.log('  not 13', n.opType, [...n.attributes].map(([k, v]) => `${k}=${JSON.stringify(v.value)}`).join(' '), canRaise({ ...m, graph: { ...m.graph, nodes: [n] } } as never, Math.max(10, from))); } 
 if (p.includes('face')) for (const n of m.graph.nodes.slice(0, 14)) console.log('   ', n.opType, n.inputs.map((v) => v.slice(-28)).join(' | '), '->', n.outputs.map((v) => v.slice(-28)).join()); }
