import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWasm, random } from '../helpers.ts';
import { Bench, eachSkew } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;

const SHAPES = [
  [1, 1, 1],
  [1, 9, 17],
  [2, 8, 16],
  [3, 7, 5],
  [4, 8, 32],
  [5, 17, 33],
  [9, 12, 100],
  [1, 20, 1100],
  [6, 11, 1025],
  [131, 9, 47],
] as const;

/** Signed codes of that many bits [k, n], row-major. */
function codesOf(bits: number, n: number, next: () => number): Int8Array {
  return Int8Array.from({ length: n }, () => Math.floor(next() * 2 ** bits) - 2 ** (bits - 1));
}

function equal(found: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.is(found.length, expected.length, what);
  for (let i = 0; i < expected.length; i++)
    if (found[i] !== expected[i]) assert.unreachable(`${what}: element ${i}: ${found[i]}, expected ${expected[i]}`);
}

/** Panels of codes, packed from rows of bytes. */
function panelsOf(bench: Bench, codes: Int8Array, depth: number, n: number, bits: number): number {
  const panels = bench.u8(k.panels_bytes(depth, n, bits));
  k.pack_panels(bench.put(codes), n, 1, depth, n, bits, 0, panels.ptr);
  panels.read();
  return panels.ptr;
}

test('qgemm: types, zero points, widths, both layouts of C', () => {
  for (const [m, n, depth] of SHAPES)
    for (const bits of [2, 4, 8])
      for (const [signed, each, zeros] of [
        [0, 0, false],
        [1, 1, true],
        [0, 1, true],
      ] as const)
        for (const trans of [0, 1]) {
          const next = random(m + 31 * n + 977 * depth + bits);
          const bench = new Bench(wasm);
          const [lo, span] = signed ? [-128, 256] : [0, 256];
          const lda = depth + 3;
          const raw = Array.from({ length: m * lda }, () => Math.floor(lo + span * next()));
          const a = signed ? Int8Array.from(raw) : Uint8Array.from(raw);
          const codes = codesOf(bits, depth * n, next);
          const za = Int32Array.from({ length: each ? m : 1 }, () => Math.floor(lo + span * next()));
          const zb = new Int32Array(8 * Math.ceil(n / 8));
          if (zeros) for (let j = 0; j < n; j++) zb[j] = Math.floor(256 * next()) - 128;
          const ldc = (trans ? m : n) + 2;
          const c = bench.i32(trans ? (n - 1) * ldc + m : (m - 1) * ldc + n);
          const panels = panelsOf(bench, codes, depth, n, bits);
          k.qgemm(
            m,
            n,
            depth,
            bench.put(a),
            lda,
            signed,
            bench.put(za),
            each,
            panels,
            bits,
            zeros ? bench.put(zb) : 0,
            c.ptr,
            ldc,
            trans,
            bench.scratch(k.qgemm_scratch()),
          );
          const found = c.read();
          const untouched = new Int32Array(Uint8Array.of(0xa5, 0xa5, 0xa5, 0xa5).buffer)[0]!;
          const expected = new Int32Array(found.length).fill(untouched);
          for (let i = 0; i < m; i++)
            for (let j = 0; j < n; j++) {
              let sum = 0;
              for (let p = 0; p < depth; p++)
                sum += (a[i * lda + p]! - za[each ? i : 0]!) * (codes[p * n + j]! - zb[j]!);
              expected[trans ? j * ldc + i : i * ldc + j] = sum;
            }
          equal(found, expected, `${m}x${n}x${depth} bits ${bits} signed ${signed} each ${each} trans ${trans}`);
          bench.dispose();
        }
});

test('qgemm: no depth is zeros, the largest sums are exact', () => {
  const bench = new Bench(wasm);
  const c = bench.i32(6);
  const zero = bench.put(new Int32Array(1));
  k.qgemm(2, 3, 0, zero, 0, 0, zero, 0, zero, 8, 0, c.ptr, 3, 0, bench.scratch(k.qgemm_scratch()));
  assert.equal([...c.read()], [0, 0, 0, 0, 0, 0]);
  const depth = 4000;
  const panels = panelsOf(bench, new Int8Array(depth).fill(-128), depth, 1, 8);
  const most = Int32Array.of(127, 0, 0, 0, 0, 0, 0, 0);
  for (const m of [1, 2]) {
    const y = bench.i32(m);
    const a = bench.put(new Uint8Array(m * depth).fill(255));
    k.qgemm(
      m,
      1,
      depth,
      a,
      depth,
      0,
      zero,
      0,
      panels,
      8,
      bench.put(most),
      y.ptr,
      1,
      0,
      bench.scratch(k.qgemm_scratch()),
    );
    assert.equal([...y.read()], new Array(m).fill(-255 * 255 * depth));
  }
  bench.dispose();
});

test('pack_panels: columns side by side or rows, bytes turned over; decode_panels gives them back', () => {
  for (const bits of [2, 4, 8])
    for (const [depth, n, block] of [
      [1, 1, 16],
      [16, 8, 16],
      [37, 11, 16],
      [64, 9, 32],
      [100, 17, 112],
    ] as const)
      for (const shifted of [false, true])
        eachSkew(wasm, (bench) => {
          const next = random(depth + n + bits);
          const unsigned = Uint8Array.from({ length: depth * n }, () => Math.floor(next() * 2 ** bits));
          const half = 2 ** (bits - 1);
          const columns = new Uint8Array(depth * n);
          for (let i = 0; i < depth; i++) for (let j = 0; j < n; j++) columns[j * depth + i] = unsigned[i * n + j]!;
          const byRows = bench.u8(k.panels_bytes(depth, n, bits));
          const byColumns = bench.u8(k.panels_bytes(depth, n, bits));
          k.pack_panels(bench.put(unsigned), n, 1, depth, n, bits, half, byRows.ptr);
          k.pack_panels(bench.put(columns), 1, depth, depth, n, bits, half, byColumns.ptr);
          equal(byRows.read(), byColumns.read(), `packed ${depth}x${n} bits ${bits}`);
          const blocks = Math.ceil(depth / block);
          const count = Math.ceil(n / 8);
          const scales = Float32Array.from({ length: count * blocks * 8 }, () => Math.fround(next() + 0.1));
          const zeros = scales.map((s) => Math.fround(s * 3));
          const y = bench.f32(count * depth * 8);
          k.decode_panels(
            byRows.ptr,
            count,
            depth,
            bits,
            block,
            bench.put(scales),
            shifted ? bench.put(zeros) : 0,
            y.ptr,
          );
          const expected = new Float32Array(count * depth * 8);
          for (let j = 0; j < 8 * count; j++)
            for (let i = 0; i < depth; i++) {
              const s = (Math.floor(j / 8) * blocks + Math.floor(i / block)) * 8 + (j % 8);
              const code = j < n ? unsigned[i * n + j]! - half : 0;
              const v = shifted ? Math.fround(code - zeros[s]!) : code;
              expected[(Math.floor(j / 8) * depth + i) * 8 + (j % 8)] = v * scales[s]!;
            }
          equal(y.read(), expected, `decoded ${depth}x${n} bits ${bits} block ${block} ${shifted}`);
        });
});

test('requantize and scale_sums', () => {
  for (const [rows, cols] of [
    [1, 1],
    [3, 5],
    [2, 8],
    [4, 19],
  ] as const)
    for (const by of [0, 1])
      for (const [type, lo, hi, zero] of [
        [0, 0, 255, 7],
        [1, -128, 127, -3],
      ] as const)
        for (const biased of [false, true]) {
          const next = random(rows + cols + by);
          const bench = new Bench(wasm);
          const [ldx, ldo] = [cols + 1, cols + 2];
          const x = Int32Array.from({ length: rows * ldx }, () => Math.floor((next() - 0.5) * 4000));
          const factors = Float32Array.from({ length: by ? rows : cols }, () => Math.fround(0.5 * next()));
          const bias = Int32Array.from(factors, () => Math.floor((next() - 0.5) * 900));
          factors[0] = 0.5;
          const out = bench.u8((rows - 1) * ldo + cols);
          const at = [bench.put(x), biased ? bench.put(bias) : 0, bench.put(factors)] as const;
          k.requantize(at[0], rows, cols, ldx, by, at[1], at[2], type, zero, lo, hi, out.ptr, ldo);
          const found = out.read();
          for (let i = 0; i < rows; i++)
            for (let j = 0; j < cols; j++) {
              const p = by ? i : j;
              const v = Math.fround((x[i * ldx + j]! + (biased ? bias[p]! : 0)) * factors[p]!);
              const even = Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v);
              const code = Math.min(Math.max(even + zero, lo), hi);
              assert.is(found[i * ldo + j], code & 255, `${rows}x${cols} by ${by} type ${type} (${i}, ${j}): ${v}`);
            }
          if (by === 0) {
            const y = bench.f32(rows * cols);
            const whole = x.slice(0, rows * cols);
            const shift = Float32Array.from(factors, (f) => f - 3);
            const args = [biased ? at[1] : 0, at[2], biased ? bench.put(shift) : 0] as const;
            k.scale_sums(bench.put(whole), rows, cols, ...args, y.ptr);
            const expected = Float32Array.from(whole, (v, i) => {
              const p = i % cols;
              const scaled = Math.fround((v + (biased ? bias[p]! : 0)) * factors[p]!);
              return biased ? scaled + shift[p]! : scaled;
            });
            equal(y.read(), expected, `scale_sums ${rows}x${cols} ${biased}`);
          }
          bench.dispose();
        }
});

test('qconv: gathered and plain rows, sums and codes', () => {
  for (const [rows, taps, bytes, n, gathered] of [
    [5, 3, 7, 9, true],
    [131, 1, 20, 11, false],
    [300, 2, 5, 8, true],
    [1, 1, 1, 1, false],
  ] as const)
    for (const coding of [false, true]) {
      const bench = new Bench(wasm);
      const next = random(rows + taps + n);
      const depth = taps * bytes;
      const lda = gathered ? 0 : depth + 1;
      const x = Int8Array.from({ length: rows * (depth + 1) + depth }, () => Math.floor(256 * next()) - 128);
      const places = Int32Array.from({ length: rows }, (_, i) => (gathered ? Math.floor(rows * next()) : i * lda));
      const offsets = Int32Array.from({ length: taps }, (_, t) => (gathered ? t * (bytes + 2) : 0));
      const codes = codesOf(8, depth * n, next);
      const zeros = Int32Array.from({ length: 8 * Math.ceil(n / 8) }, () => Math.floor(20 * next()) - 10);
      const bias = Int32Array.from({ length: n }, () => Math.floor(999 * next()));
      const factors = Float32Array.from({ length: n }, () => Math.fround(next() / 99));
      const ldo = rows + 2;
      const size = (n - 1) * ldo + rows;
      const out = coding ? bench.u8(size) : bench.i32(size);
      k.qconv(
        bench.put(x),
        lda,
        gathered ? bench.put(places) : 0,
        rows,
        bench.put(offsets),
        taps,
        bytes,
        1,
        bench.put(Int32Array.of(-5)),
        panelsOf(bench, codes, depth, n, 8),
        n,
        8,
        bench.put(zeros),
        bench.put(bias),
        coding ? bench.put(factors) : 0,
        0,
        3,
        0,
        255,
        out.ptr,
        ldo,
        bench.scratch(k.qconv_scratch(depth, n)),
      );
      const found = out.read();
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let t = 0; t < taps; t++)
            for (let p = 0; p < bytes; p++)
              sum += (x[places[i]! + offsets[t]! + p]! + 5) * (codes[(t * bytes + p) * n + j]! - zeros[j]!);
          const v = Math.fround((sum + bias[j]!) * factors[j]!);
          const even = Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v);
          const expected = coding ? Math.min(Math.max(even + 3, 0), 255) : sum;
          assert.is(
            found[j * ldo + i],
            expected,
            `${rows} places, ${taps} taps, ${n} channels, ${coding} (${i}, ${j})`,
          );
        }
      bench.dispose();
    }
});

test('transpose_bytes and gather_bytes', () => {
  for (const [rows, cols] of [
    [1, 1],
    [8, 8],
    [3, 20],
    [17, 9],
    [16, 33],
  ] as const)
    eachSkew(wasm, (bench) => {
      const next = random(rows * cols);
      const [ldx, ldo] = [cols + 1, rows + 2];
      const x = Uint8Array.from({ length: rows * ldx }, () => 256 * next());
      const out = bench.u8((cols - 1) * ldo + rows);
      const from = bench.put(x);
      k.transpose_bytes(from, rows, cols, ldx, out.ptr, ldo);
      const found = out.read();
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < cols; j++) assert.is(found[j * ldo + i], x[i * ldx + j], `${rows}x${cols} (${i}, ${j})`);
      const places = Int32Array.from({ length: 5 }, () => Math.floor(next() * ((rows - 1) * ldx + 1)));
      const offsets = Int32Array.of(1, 0, 1);
      const y = bench.u8(15 * cols);
      k.gather_bytes(from, bench.put(places), 5, bench.put(offsets), 3, cols, y.ptr);
      const expected = [...places].flatMap((p) => [...offsets].flatMap((o) => [...x.subarray(p + o, p + o + cols)]));
      equal(y.read(), expected, `gathered ${cols}`);
    });
});

test.run();
