import { loadKernels } from './src/node.ts';
import { NodeRuntime } from './src/graph/buffer.ts';
import { Derived } from './src/graph/derived.ts';
import { integerConvolution, runConvolution } from './src/ops/integer-conv.ts';
const wasm = await loadKernels({ build: 'plain', threads: 1 });
const cpu = () => { const u = process.cpuUsage(); return (u.user + u.system); };
const med = (a: number[]) => a.sort((x, y) => x - y)[a.length >> 1]!;
const L = [[1,16,3,28,1],[16,16,3,14,1],[16,32,3,14,2],[16,32,1,14,2],[32,32,3,7,1],[32,64,3,7,2],[32,64,1,7,2],[64,64,3,4,1],[64,128,3,4,2],[64,128,1,4,2],[128,128,3,2,1]] as const;
const derived = new Derived(wasm);
for (const [c, m, ks, s, st] of L) {
  const x = { dtype: 'uint8' as const, dims: [1, c, s, s], data: new Uint8Array(c * s * s).map((_, i) => i * 7) };
  const w = { dtype: 'int8' as const, dims: [m, c, ks, ks], data: new Int8Array(m * c * ks * ks).map((_, i) => i * 5 + (i >> 3)) };
  derived.add(w);
  const p = (ks - 1) / 2;
  const a = { group: 1, kernel: undefined, strides: [st, st], dilations: undefined, pads: [p, p, p, p], autoPad: 'NOTSET', ceil: false } as any;
  let out: Uint8Array[] = [];
  const run = (tiles: boolean) => {
    const rt = new NodeRuntime(wasm, derived);
    const ic = integerConvolution(a, x, { dtype: 'uint8', dims: [], data: Uint8Array.of(128) }, w, undefined, undefined);
    const y = rt.codes('uint8', ic.v.dims);
    const i2 = tiles ? ic : { ...ic, wZeros: ic.wZeros.map((_, i) => (ks === 3 && i === 0 ? 0 : 0)), };
    (globalThis as any).NOTILES = !tiles;
    runConvolution(i2, { type: 0, lo: 0, hi: 255, zero: 128, factors: new Float32Array(m).fill(1 / (c * ks * 40)) }, rt.ptr(y), rt);
    rt.end([y]);
    if (out.length < 2) out.push(y.data.slice() as Uint8Array);
    (y as any).buffer.release();
    return ic;
  };
  const ic = run(true); run(false);
  const same = out[0]!.every((v, i) => v === out[1]![i]);
  const macs = c * m * ks * ks * ic.v.places;
  const it = Math.max(3, Math.min(300, Math.ceil(4e7 / macs)));
  const t = [[], []] as number[][];
  for (let i = 0; i < 2 * it; i++) { run(true); run(false); }
  for (let r = 0; r < 7; r++) [true, false].forEach((q, j) => { const t0 = cpu(); for (let i = 0; i < it; i++) run(q); t[j]!.push((cpu() - t0) / it); });
  const [tt, tf] = t.map(med) as [number, number];
  console.log(c, m, ks, s, st, same, 'tiles', tt.toFixed(0), 'fields', tf.toFixed(0), 'us', (macs / tt / 1000).toFixed(1), (macs / tf / 1000).toFixed(1), 'GMAC/s');
}
