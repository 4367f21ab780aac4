import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NodeRuntime } from '../../src/graph/buffer.ts';
import { type Kept, multiplyPacked, packMatrix, packedOf, PackedTensor } from '../../src/ops/packed.ts';
import { normals, random } from '../helpers.ts';
import { wasm } from './compare.ts';

interface Given {
  readonly k: number;
  readonly n: number;
  readonly block: number;
  readonly lo: number;
  readonly hi: number;
  readonly zeros?: 'one' | 'blocks';
  readonly transposed?: boolean;
}

/** Seeded codes with scales and zero points by column and block, and the elements they stand for, [k, n]. */
function coded({ k, n, block, lo, hi, zeros, transposed }: Given) {
  const next = random(k + 7 * n + block + lo);
  const size = k * n;
  const [row, column] = transposed ? [1, k] : [n, 1];
  const codes = new Float32Array(size);
  const scales = new Float32Array(size);
  const points = new Float32Array(size);
  const value = new Float32Array(size);
  const whole = () => lo + Math.floor(next() * (hi - lo + 1));
  for (let j = 0; j < n; j++)
    for (let b = 0; b * block < k; b++) {
      const s = Math.fround(0.01 + next());
      const z = zeros === undefined ? 0 : zeros === 'one' ? lo + 2 : whole();
      for (let i = b * block; i < Math.min(k, (b + 1) * block); i++) {
        const at = i * row + j * column;
        codes[at] = whole();
        scales[at] = s;
        points[at] = z;
        value[i * n + j] = (codes[at]! - z) * s;
      }
    }
  // Both ends are there.
  [codes[0], codes[size - 1]] = [lo, hi];
  value[0] = (lo - points[0]!) * scales[0]!;
  value[size - 1] = (hi - points[size - 1]!) * scales[size - 1]!;
  const steps = [row, column] as const;
  return { m: { k, n, steps, codes, scales, zeros: zeros && points }, value };
}

function pack(g: Given): { kept: Kept; value: Float32Array } {
  const { m, value } = coded(g);
  const kept = packMatrix(wasm, m);
  assert.ok(kept, `${JSON.stringify(g)} was not packed`);
  return { kept: kept!, value };
}

const GIVEN: readonly (Given & { bits: number })[] = [
  { k: 64, n: 24, block: 16, lo: -8, hi: 7, bits: 4 },
  { k: 70, n: 9, block: 32, lo: -4, hi: 3, bits: 4 },
  { k: 37, n: 17, block: 37, lo: -2, hi: 1, bits: 2 },
  { k: 300, n: 5, block: 300, lo: -128, hi: 127, bits: 8 },
  { k: 600, n: 8, block: 512, lo: 0, hi: 15, zeros: 'blocks', bits: 4 },
  { k: 96, n: 11, block: 48, lo: 0, hi: 255, zeros: 'one', bits: 8 },
  { k: 64, n: 3, block: 64, lo: 100, hi: 103, bits: 2 },
  { k: 50, n: 12, block: 16, lo: -3, hi: 10, zeros: 'blocks', transposed: true, bits: 4 },
];

test('what is packed decodes to the bit, in the fewest of 2, 4 and 8 bits', () => {
  for (const g of GIVEN) {
    const before = wasm.arena.used;
    const { kept, value } = pack(g);
    assert.is(kept.matrix.bits, g.bits);
    const dims = g.transposed ? [g.n, g.k] : [g.k, g.n];
    const t = new PackedTensor(dims, kept, g.transposed ?? false, wasm);
    const found = t.data;
    for (let i = 0; i < g.k; i++)
      for (let j = 0; j < g.n; j++)
        assert.is(
          found[g.transposed ? j * g.k + i : i * g.n + j],
          value[i * g.n + j],
          `${JSON.stringify(g)} (${i}, ${j})`,
        );
    assert.is(packedOf(t, g.transposed ?? false), kept.matrix);
    assert.is(packedOf(t, !g.transposed), undefined);
    kept.free();
    assert.is(wasm.arena.used, before);
  }
});

test('products of any number of rows', () => {
  for (const g of GIVEN)
    for (const m of [1, 3, 8, 9, 21])
      for (const rounded of [false, true]) {
        const { kept, value } = pack(g);
        const rt = new NodeRuntime(wasm);
        const a = normals(m * g.k, random(m));
        const from = rt.scratch(4 * a.length);
        wasm.arena.put(from, a);
        const y = rt.scratch(4 * m * g.n);
        multiplyPacked(rt, m, from, kept.matrix, y, rounded);
        const found = wasm.arena.f32(y, m * g.n);
        for (let r = 0; r < m; r++)
          for (let j = 0; j < g.n; j++) {
            let sum = 0;
            let size = 0;
            for (let i = 0; i < g.k; i++) {
              const p = a[r * g.k + i]! * value[i * g.n + j]!;
              sum += p;
              size += Math.abs(p);
            }
            // Zero points are taken off sums of codes, which are larger than the sums of weights.
            const allowed = (rounded ? 0.02 : 4e-6) * size * (g.lo >= 0 ? 20 : 1) + 1e-6;
            const off = Math.abs(found[r * g.n + j]! - sum);
            assert.ok(off <= allowed, `${JSON.stringify(g)} m ${m} ${rounded}: off by ${off}, ${allowed} allowed`);
          }
        rt.end([]);
        kept.free();
      }
});

test('what is no number goes where IEEE says', () => {
  const g = GIVEN[0]!;
  const { kept, value } = pack(g);
  for (const rounded of [false, true])
    for (const m of [2, 5]) {
      const rt = new NodeRuntime(wasm);
      const a = normals(m * g.k, random(5));
      a[3] = Number.POSITIVE_INFINITY;
      a[g.k + 9] = Number.NaN;
      const from = rt.scratch(4 * a.length);
      wasm.arena.put(from, a);
      const y = rt.scratch(4 * m * g.n);
      multiplyPacked(rt, m, from, kept.matrix, y, rounded);
      const found = wasm.arena.f32(y, m * g.n);
      for (let j = 0; j < g.n; j++) {
        const w = value[3 * g.n + j]!;
        const first = w === 0 ? Number.NaN : w * Number.POSITIVE_INFINITY;
        assert.ok(Object.is(found[j], first), `${found[j]}, expected ${first}`);
        assert.ok(Number.isNaN(found[g.n + j]));
      }
      rt.end([]);
    }
  kept.free();
});

test('what does not fit codes and blocks is left alone', () => {
  const refused = (change: (m: ReturnType<typeof coded>['m']) => void) => {
    const { m } = coded({ k: 64, n: 4, block: 32, lo: -8, hi: 7 });
    change(m);
    const before = wasm.arena.used;
    assert.is(packMatrix(wasm, m), undefined);
    assert.is(wasm.arena.used, before);
  };
  refused((m) => {
    m.codes[5] = 0.5;
  });
  refused((m) => {
    m.codes[5] = Number.NaN;
  });
  refused((m) => {
    m.codes[5] = 300;
  });
  refused((m) => {
    m.scales[4 * 7 + 1] = 9;
  });
  refused((m) => {
    m.scales.fill(Number.NaN);
  });
});

test.run();
