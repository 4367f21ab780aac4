import * as ortw from 'onnxruntime-web';
import { makeNode, makeInitializer, makeValueInfo, writeModel } from '/work/main/src/onnx/index.ts';
import { tensor } from '/work/main/src/tensor.ts';
ortw.env.wasm.numThreads = 1;
const f = (d: number[], v: number) => tensor('float', d, new Float32Array(d.reduce((a, b) => a * b, 1)).fill(v));
const K = 784, N = 256;
async function make(kind: string) {
  const nodes: any[] = [], inits: any[] = [];
  const I = (n: string, t: any) => { inits.push(makeInitializer(n, t)); return n; };
  const T = kind === 'transB1' || kind === 'f32T';
  if (kind.startsWith('f32')) { I('w', f(T ? [N, K] : [K, N], 0.01)); I('b', f([N], 0.1)); nodes.push(makeNode('Gemm', ['x', 'w', 'b'], ['y'], { transB: { type: 'int', value: T ? 1 : 0 } } as any)); }
  else {
    I('sx', f([], 0.02)); I('zx', tensor('uint8', [], Uint8Array.of(3)));
    const w = Int8Array.from({ length: N * K }, (_, i) => (i * 7) % 255 - 127);
    I('w', tensor('int8', T ? [N, K] : [K, N], w)); I('sw', f([N], 0.01)); I('zw', tensor('int8', [N], new Int8Array(N)));
    nodes.push(makeNode('QuantizeLinear', ['x', 'sx', 'zx'], ['xq']), makeNode('DequantizeLinear', ['xq', 'sx', 'zx'], ['xd']), makeNode('DequantizeLinear', kind.endsWith('nz') ? ['w', 'sw'] : ['w', 'sw', 'zw'], ['wd'], { axis: { type: 'int', value: T ? 0 : 1 } } as any));
    if (kind.startsWith('matmul')) { I('b', f([N], 0.1)); nodes.push(makeNode('MatMul', ['xd', 'wd'], ['h']), makeNode('Add', ['h', 'b'], ['y'])); }
    else if (kind.startsWith('dyn') || kind === 'mmi') { nodes.length = 0; I('b', f([N], 0.1));
      if (kind === 'mmi') nodes.push(makeNode('QuantizeLinear', ['x', 'sx', 'zx'], ['xq'])); else nodes.push(makeNode('DynamicQuantizeLinear', ['x'], ['xq', 'dsx', 'dzx']));
      const [S, Z] = kind === 'mmi' ? ['sx', 'zx'] : ['dsx', 'dzx'];
      nodes.push(makeNode('MatMulInteger', kind === 'dynz' ? ['xq', 'w', Z, 'zw'] : ['xq', 'w', Z], ['i']), makeNode('Cast', ['i'], ['fi'], { to: { type: 'int', value: 1 } } as any), makeNode('Mul', [S, 'sw'], ['ss']), makeNode('Mul', ['fi', 'ss'], ['h']), makeNode('Add', ['h', 'b'], ['y'])); }
    else { I('b', tensor('int32', [N], new Int32Array(N).fill(100))); I('sb', f([N], 0.0002)); nodes.push(makeNode('DequantizeLinear', ['b', 'sb'], ['bd'], { axis: { type: 'int', value: 0 } } as any), makeNode('Gemm', ['xd', 'wd', 'bd'], ['y'], { transB: { type: 'int', value: T ? 1 : 0 }, alpha: { type: 'float', value: 1 }, beta: { type: 'float', value: 1 } } as any)); }
  }
  const m = { irVersion: 8, opsets: new Map([['', 17]]), producer: '', functions: [], rest: new Uint8Array(0), graph: { name: 'g', nodes, initializers: inits, inputs: [makeValueInfo('x', 'float', ['N', K])], outputs: [makeValueInfo('y', 'float', ['N', N])], valueInfo: [], rest: new Uint8Array(0) } };
  return ortw.InferenceSession.create(writeModel(m as never));
}
const kinds = ['f32', 'transB0', 'matmul', 'matmulnz', 'dyn', 'dynz', 'mmi'];
const s: Record<string, ortw.InferenceSession> = {};
for (const k of kinds) s[k] = await make(k);
for (const M of [1, 4, 8, 16, 64]) {
  const x = new ortw.Tensor('float32', new Float32Array(M * K).fill(0.5), [M, K]);
  const times: Record<string, number[]> = {};
  for (let r = 0; r < 9; r++) for (const k of kinds) { const n = M < 16 ? 40 : 10; const a = process.cpuUsage(); for (let i = 0; i < n; i++) await s[k]!.run({ x }); const b = process.cpuUsage(a); (times[k] ??= []).push((b.user + b.system) / 1000 / n); }
  console.log(M, Object.fromEntries(kinds.map((k) => [k, times[k]!.sort((a, b) => a - b)[4]!.toFixed(3)])));
}
process.exit(0);
