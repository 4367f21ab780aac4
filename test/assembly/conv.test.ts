import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, close, same } from './bench.ts';

const wasm = await loadWasm();

interface Window {
  h: number;
  w: number;
  kh: number;
  kw: number;
  sh: number;
  sw: number;
  pt: number;
  pl: number;
  dh: number;
  dw: number;
  oh: number;
  ow: number;
}

/** Windows of every kind: strides, pads wider than the kernel, dilations, 1x1, maps smaller than the kernel, asymmetric everything. */
function windows(): Window[] {
  const list: Window[] = [];
  const next = random(11);
  const pick = (...options: number[]) => options[Math.floor(next() * options.length)]!;
  for (let i = 0; i < 250; i++) {
    const [h, w] = [pick(1, 2, 5, 7, 14, 17), pick(1, 3, 5, 8, 14, 19, 28)];
    const [kh, kw] = [pick(1, 2, 3, 5), pick(1, 2, 3, 7)];
    const [sh, sw] = [pick(1, 1, 2, 3), pick(1, 1, 2, 2, 3)];
    const [pt, pl, pb, pr] = [pick(0, 1, 2, 6), pick(0, 1, 3, 8), pick(0, 1, 2), pick(0, 1, 3, 9)];
    const [dh, dw] = [pick(1, 1, 2, 3), pick(1, 1, 2)];
    const oh = Math.floor((h + pt + pb - dh * (kh - 1) - 1) / sh) + 1;
    const ow = Math.floor((w + pl + pr - dw * (kw - 1) - 1) / sw) + 1;
    if (oh > 0 && ow > 0) list.push({ h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow });
  }
  return list;
}

/** x at output (oy, ox) and tap (ky, kx) of a plane, undefined outside. */
function tap(
  x: Float32Array,
  plane: number,
  g: Window,
  oy: number,
  ox: number,
  ky: number,
  kx: number,
): number | undefined {
  const iy = oy * g.sh - g.pt + ky * g.dh;
  const ix = ox * g.sw - g.pl + kx * g.dw;
  return iy < 0 || iy >= g.h || ix < 0 || ix >= g.w ? undefined : x[(plane * g.h + iy) * g.w + ix];
}

test('im2col', () => {
  for (const g of windows()) {
    const c = 3;
    const bench = new Bench(wasm);
    const x = normals(c * g.h * g.w, random(g.h * 31 + g.w));
    const cells = g.oh * g.ow;
    const ldo = cells + 5;
    const rows = c * g.kh * g.kw;
    const out = bench.f32(rows * ldo);
    wasm.arena.f32(out.ptr, rows * ldo).fill(-7);
    wasm.k.im2col(bench.put(x), c, g.h, g.w, g.kh, g.kw, g.sh, g.sw, g.pt, g.pl, g.dh, g.dw, g.oh, g.ow, out.ptr, ldo);
    const expected = new Float32Array(rows * ldo).fill(-7);
    for (let ic = 0, r = 0; ic < c; ic++)
      for (let ky = 0; ky < g.kh; ky++)
        for (let kx = 0; kx < g.kw; kx++, r++)
          for (let oy = 0; oy < g.oh; oy++)
            for (let ox = 0; ox < g.ow; ox++) expected[r * ldo + oy * g.ow + ox] = tap(x, ic, g, oy, ox, ky, kx) ?? 0;
    same(out.read(), expected, `im2col ${JSON.stringify(g)}`);
    bench.dispose();
  }
});

test('col2im', () => {
  for (const g of windows()) {
    const c = 2;
    const bench = new Bench(wasm);
    const cells = g.oh * g.ow;
    const ldc = cells + 3;
    const rows = c * g.kh * g.kw;
    const columns = normals(rows * ldc, random(g.h * 7 + g.w));
    const out = bench.f32(c * g.h * g.w);
    const before = normals(c * g.h * g.w, random(5));
    wasm.arena.f32(out.ptr, before.length).set(before);
    wasm.k.col2im(
      bench.put(columns),
      ldc,
      c,
      g.h,
      g.w,
      g.kh,
      g.kw,
      g.sh,
      g.sw,
      g.pt,
      g.pl,
      g.dh,
      g.dw,
      g.oh,
      g.ow,
      out.ptr,
    );
    const expected = Float64Array.from(before);
    for (let ic = 0, r = 0; ic < c; ic++)
      for (let ky = 0; ky < g.kh; ky++)
        for (let kx = 0; kx < g.kw; kx++, r++)
          for (let oy = 0; oy < g.oh; oy++)
            for (let ox = 0; ox < g.ow; ox++) {
              const iy = oy * g.sh - g.pt + ky * g.dh;
              const ix = ox * g.sw - g.pl + kx * g.dw;
              if (iy < 0 || iy >= g.h || ix < 0 || ix >= g.w) continue;
              expected[(ic * g.h + iy) * g.w + ix]! += columns[r * ldc + oy * g.ow + ox]!;
            }
    close(out.read(), [...expected], { absolute: 1e-5 }, `col2im ${JSON.stringify(g)}`);
    bench.dispose();
  }
});

test('depthwise2d', () => {
  for (const g of [
    ...windows(),
    { h: 20, w: 41, kh: 3, kw: 3, sh: 1, sw: 1, pt: 1, pl: 1, dh: 1, dw: 1, oh: 20, ow: 41 },
  ]) {
    const planes = 2;
    const multiplier = 1 + (g.h % 2);
    const bench = new Bench(wasm);
    const x = normals(planes * g.h * g.w, random(g.h * 13 + g.w));
    const weights = normals(planes * multiplier * g.kh * g.kw, random(g.kh + g.kw));
    const out = bench.f32(planes * multiplier * g.oh * g.ow);
    const finished = g.kw % 2 === 1;
    const bias = normals(planes * multiplier, random(g.ow));
    const residual = normals(planes * multiplier * g.oh * g.ow, random(g.oh));
    const scratch = bench.u8(wasm.k.depthwise_scratch(g.kh, g.kw, g.sh, g.sw, g.dh, g.dw, g.oh, g.ow));
    wasm.arena.u8(scratch.ptr, scratch.read().length).fill(0xff);
    wasm.k.depthwise2d(
      bench.put(x),
      planes,
      multiplier,
      g.h,
      g.w,
      bench.put(weights),
      g.kh,
      g.kw,
      g.sh,
      g.sw,
      g.pt,
      g.pl,
      g.dh,
      g.dw,
      g.oh,
      g.ow,
      out.ptr,
      finished ? bench.put(bias) : 0,
      finished ? bench.put(residual) : 0,
      finished ? -1 : -Infinity,
      finished ? 2 : Infinity,
      scratch.ptr,
    );
    scratch.read();
    const expected: number[] = [];
    for (let p = 0; p < planes * multiplier; p++)
      for (let oy = 0; oy < g.oh; oy++)
        for (let ox = 0; ox < g.ow; ox++) {
          let total = 0;
          for (let ky = 0; ky < g.kh; ky++)
            for (let kx = 0; kx < g.kw; kx++)
              total +=
                (tap(x, Math.floor(p / multiplier), g, oy, ox, ky, kx) ?? 0) * weights[(p * g.kh + ky) * g.kw + kx]!;
          const sum = total + bias[p]! + residual[expected.length]!;
          expected.push(finished ? Math.min(2, Math.max(-1, sum)) : total);
        }
    close(out.read(), expected, { absolute: 1e-5 }, `depthwise2d ${JSON.stringify(g)}`);
    bench.dispose();
  }
});

test('maxpool2d and avgpool2d', () => {
  for (const g of windows()) {
    const planes = 2;
    const bench = new Bench(wasm);
    const x = normals(planes * g.h * g.w, random(g.h * 17 + g.w));
    if (x.length > 4) x[3] = Number.NaN;
    const n = planes * g.oh * g.ow;
    const most = bench.f32(n);
    const mean = bench.f32(n);
    const padded = bench.f32(n);
    const p = bench.put(x);
    const shape = [g.h, g.w, g.kh, g.kw, g.sh, g.sw, g.pt, g.pl, g.dh, g.dw, g.oh, g.ow] as const;
    wasm.k.maxpool2d(p, planes, ...shape, most.ptr);
    wasm.k.avgpool2d(p, planes, ...shape, 0, mean.ptr);
    wasm.k.avgpool2d(p, planes, ...shape, 1, padded.ptr);
    const expected: { most: number[]; mean: number[]; padded: number[] } = { most: [], mean: [], padded: [] };
    for (let plane = 0; plane < planes; plane++)
      for (let oy = 0; oy < g.oh; oy++)
        for (let ox = 0; ox < g.ow; ox++) {
          const inside: number[] = [];
          for (let ky = 0; ky < g.kh; ky++)
            for (let kx = 0; kx < g.kw; kx++) {
              const v = tap(x, plane, g, oy, ox, ky, kx);
              if (v !== undefined) inside.push(v);
            }
          const total = inside.reduce((s, v) => s + v, 0);
          expected.most.push(Math.max(...inside));
          expected.mean.push(total / Math.max(inside.length, 1));
          expected.padded.push(total / (g.kh * g.kw));
        }
    const what = JSON.stringify(g);
    same(most.read(), expected.most, `maxpool2d ${what}`);
    close(mean.read(), expected.mean, { absolute: 2e-6 }, `avgpool2d ${what}`);
    close(padded.read(), expected.padded, { absolute: 2e-6 }, `avgpool2d with pads ${what}`);
    bench.dispose();
  }
});

test.run();
