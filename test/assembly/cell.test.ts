import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { eachSkew, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;

test('lstm_gates is its functions one by one', () => {
  for (const rows of [1, 3])
    for (const n of LENGTHS)
      eachSkew(wasm, (bench) => {
        const next = random(rows * 400 + n);
        const x = normals(rows * 4 * n, next, 3);
        const c = normals(rows * n, next);
        if (n > 2) x[2] = Number.NaN;
        const apply = (f: typeof k.tanh, v: Float32Array) => {
          const out = bench.f32(v.length);
          f(bench.put(v), out.ptr, v.length);
          return out.read();
        };
        const [sigmoid, tanh] = [apply(k.sigmoid, x), apply(k.tanh, x)];
        const cells = c.map((v, i) => {
          const at = Math.floor(i / n) * 4 * n + (i % n);
          const kept = Math.fround(sigmoid[at + 2 * n]! * v);
          return kept + Math.fround(sigmoid[at]! * tanh[at + 3 * n]!);
        });
        const outputs = apply(k.tanh, cells).map((v, i) => v * sigmoid[Math.floor(i / n) * 4 * n + (i % n) + n]!);
        const h = bench.f32(rows * n);
        const state = bench.f32(rows * n);
        wasm.arena.put(state.ptr, c);
        k.lstm_gates(bench.put(x), state.ptr, h.ptr, rows, n);
        same(state.read(), cells, `cell state ${rows}x${n}`);
        same(h.read(), outputs, `output ${rows}x${n}`);
      });
});

test.run();
