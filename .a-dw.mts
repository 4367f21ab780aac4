import * as ortw from 'onnxruntime-web';
import { makeNode, makeInitializer, makeValueInfo, writeModel } from '/work/main/src/onnx/index.ts';
import { tensor } from '/work/main/src/tensor.ts';
ortw.env.wasm.numThreads = 1;
const f = (d: number[], v: number) => tensor('float', d, new Float32Array(d.reduce((a, b) => a * b, 1)).fill(v));
async function make(kind: string, C: number, O: number, k: number, g: number, H: number) {
  const nodes: any[] = [], inits: any[] = []; const I = (n: string, t: any) => { inits.push(makeInitializer(n, t)); return n; };
  const wd = [O, C / g, k, k]; const n = wd.reduce((a, b) => a * b, 1); const pad = (k - 1) / 2;
  const at = { group: { type: 'int', value: g }, kernel_shape: { type: 'ints', value: [k, k] }, pads: { type: 'ints', value: [pad, pad, pad, pad] } } as any;
  if (kind === 'f') { I('w', f(wd, 0.01)); I('b', f([O], 0.1)); nodes.push(makeNode('Conv', ['x', 'w', 'b'], ['h'], at), makeNode('Relu', ['h'], ['y'])); }
  else { I('sx', f([], 0.02)); I('zx', tensor('uint8', [], Uint8Array.of(0))); I('w', tensor('int8', wd, Int8Array.from({ length: n }, (_, i) => (i * 7) % 255 - 127))); I('sw', f([O], 0.01)); I('zw', tensor('int8', [O], new Int8Array(O))); I('b', tensor('int32', [O], new Int32Array(O)));
    nodes.push(makeNode('QLinearConv', ['x', 'sx', 'zx', 'w', 'sw', 'zw', 'sx', 'zx', 'b'], ['y'], at)); }
  const t = kind === 'f' ? 'float' : 'uint8';
  const m = { irVersion: 8, opsets: new Map([['', 13]]), producer: '', functions: [], rest: new Uint8Array(0), graph: { name: 'g', nodes, initializers: inits, inputs: [makeValueInfo('x', t as never, [1, C, H, H])], outputs: [makeValueInfo('y', t as never, [1, O, H, H])], valueInfo: [], rest: new Uint8Array(0) } };
  return ortw.InferenceSession.create(writeModel(m as never));
}
for (const [C, O, k, g, H] of [[96, 96, 1, 1, 8], [96, 96, 1, 1, 12], [96, 96, 1, 1, 16], [256, 256, 1, 1, 7], [256, 256, 1, 1, 14], [128, 128, 3, 1, 4], [64, 64, 3, 1, 7], [64, 64, 3, 1, 3]] as const) {
  const sf = await make('f', C, O, k, g, H), sq = await make('q', C, O, k, g, H);
  const xf = new ortw.Tensor('float32', new Float32Array(C * H * H).fill(0.5), [1, C, H, H]), xq = new ortw.Tensor('uint8', new Uint8Array(C * H * H).fill(25), [1, C, H, H]);
  const tm: number[][] = [[], []]; for (let r = 0; r < 9; r++) for (const [i, s, x] of [[0, sf, xf], [1, sq, xq]] as const) { const a = process.cpuUsage(); for (let j = 0; j < 10; j++) await s.run({ x }); const b = process.cpuUsage(a); tm[i]!.push((b.user + b.system) / 10000); }
  const [a, b] = tm.map((t) => t.sort((x, y) => x - y)[4]!); console.log(`C${C} O${O} k${k} g${g} H${H}`, a!.toFixed(3), b!.toFixed(3), 'x', (a! / b!).toFixed(2));
}
process.exit(0);
