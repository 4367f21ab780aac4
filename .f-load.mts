import * as native from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { readFileSync } from 'node:fs';
web.env.wasm.numThreads = 1;
const files = process.argv.slice(2);
for (const [rt, ort] of [['node', native], ['web', web]] as any) {
  const t: any = {}; for (const f of files) t[f] = [];
  const bytes = Object.fromEntries(files.map(f => [f, new Uint8Array(readFileSync(f))]));
  for (let r = 0; r < 6; r++) for (const f of files) { const c0 = process.cpuUsage(); const s = await ort.InferenceSession.create(bytes[f], { executionProviders: [rt==='node'?'cpu':'wasm'], intraOpNumThreads: 1, logSeverityLevel: 3 }); const c = process.cpuUsage(c0); if (r) t[f].push((c.user+c.system)/1000); await s.release(); }
  console.log(rt, files.map(f => `${f} ${t[f].sort((a,b)=>a-b)[2].toFixed(1)}`).join('  '));
}
