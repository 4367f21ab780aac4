import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { eachSkew, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;
const f = Math.fround;

function roundeven(x: number): number {
  const low = Math.floor(x);
  const d = x - low;
  return d < 0.5 || (d === 0.5 && low % 2 === 0) ? low : low + 1;
}

test('gptq_block: each column is rounded from its weight and the errors fed to it; what is left counts', () => {
  for (const n of [1, 2, 5, 8])
    for (const rows of [4, 12])
      for (const units of [1, 3])
        eachSkew(wasm, (b) => {
          const next = random(n * 100 + rows + units);
          const ld = n + 2;
          const top = 7;
          const u = normals(n * ld, next, 0.4);
          const w = normals(n * rows, next);
          const t = w.map((x) => f(x + 0.1 * (next() - 0.5)));
          const scales = Float32Array.from({ length: units * rows }, () => f(0.1 + next() / 3));
          const zeros = Float32Array.from({ length: units * rows }, () => Math.floor(next() * (top + 1)));
          const blocks = Int32Array.from({ length: n }, () => Math.floor(next() * units));
          const d = Float64Array.from({ length: n }, () => 0.1 + next());
          const before = Float64Array.from({ length: rows }, () => next());
          const errors = before.slice();
          const e = new Float32Array(n * rows);
          const levels = new Float32Array(n * rows);
          const own = t.slice();
          for (let j = 0; j < n; j++)
            for (let r = 0; r < rows; r++) {
              const unit = blocks[j]! * rows + r;
              const i = j * rows + r;
              const q = roundeven(f(own[i]! / scales[unit]!));
              levels[i] = Math.min(top - zeros[unit]!, Math.max(-zeros[unit]!, q));
              e[i] = f(w[i]! - f(levels[i]! * scales[unit]!));
              errors[r]! += d[j]! * f(own[i]! - f(levels[i]! * scales[unit]!)) ** 2;
              for (let c = j + 1; c < n; c++) own[c * rows + r] = f(own[c * rows + r]! + f(u[j * ld + c]! * e[i]!));
            }
          const foundErrors = b.f64(rows);
          wasm.arena.f64(foundErrors.ptr, rows).set(before);
          const foundE = b.f32(n * rows);
          const foundLevels = b.f32(n * rows);
          k.gptq_block(
            n,
            rows,
            b.put(u),
            ld,
            b.put(w),
            b.put(t),
            b.put(scales),
            b.put(zeros),
            b.put(blocks),
            top,
            b.put(d),
            foundE.ptr,
            foundLevels.ptr,
            foundErrors.ptr,
          );
          same(foundLevels.read(), levels, `levels of ${n} columns, ${rows} rows`);
          same(foundErrors.read(), errors, `what ${n} columns do to ${rows} rows`);
          same(foundE.read(), e, `errors of ${n} columns, ${rows} rows`);
        });
});

test.run();
