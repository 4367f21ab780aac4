import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PlanLayer } from '../../src/allocate/types.ts';
import { UsageError } from '../../src/errors.ts';
import { findLayers, withInitializers } from '../../src/graph/index.ts';
import { decode, encode, fromRows, type GridSpec, toRows } from '../../src/grid/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { makeInitializer, readModel, writeModel } from '../../src/onnx/index.ts';
import { FORMATS, PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { totalBytes } from '../../src/quantize/format.ts';
import { loadWasm, random } from '../helpers.ts';
import { throws } from '../throws.ts';
import { CASES, planFor, separateLayers } from './models.ts';
import { RUNTIMES, type Runtime, runHere, runIn } from './run.ts';
import { storedBytes } from './stored.ts';

const wasm = await loadWasm();
const dense = FORMATS.dense!;

/** Widths for every row: all of them in turn in no order; two; one row apart from all others; rows left out beside several widths, or one. */
const MIXES: readonly ((rows: number, seed: number) => number[])[] = [
  (rows, seed) => {
    const next = random(seed);
    return Array.from({ length: rows }, () => 2 + Math.floor(7 * next()));
  },
  (rows) => Array.from({ length: rows }, (_, r) => (r % 3 === 1 ? 3 : 6)),
  (rows) => Array.from({ length: rows }, (_, r) => (r === rows - 2 ? 8 : 2)),
  (rows) => Array.from({ length: rows }, (_, r) => [5, 0, 2][r % 3]!),
  (rows) => Array.from({ length: rows }, (_, r) => (r === 0 ? 0 : 4)),
];

interface Variant {
  readonly which: number;
  readonly plan: Partial<PlanLayer>;
}

function variants(granularities: readonly PlanLayer['granularity'][]): Variant[] {
  const all = granularities.flatMap((granularity) =>
    MIXES.flatMap((mix, m) =>
      CASES.map(({ dims, opType, attributes }, which): Variant => {
        const first = opType === 'Conv' || opType === 'Gather' || attributes?.transB !== undefined;
        const rowBits = mix(dims[first ? 0 : 1]!, 10 * m + which);
        const bits = Math.max(...rowBits);
        const asymmetricBits = [[2, 3, 4], [], [2, 6, 8]][(which + m) % 3]!;
        return {
          which,
          plan: { bits, rowBits, granularity, asymmetricBits, symmetric: !asymmetricBits.includes(bits) },
        };
      }),
    ),
  );
  return all;
}

/** Both runtimes make of a file with rows of different widths, bit for bit, what the float weights that the codes stand for make. */
async function check(
  opset: number,
  scaleType: 'float16' | 'float',
  granularities: readonly PlanLayer['granularity'][],
) {
  const tried = variants(granularities);
  const { model, feeds } = separateLayers(
    tried.map((v) => v.which),
    opset,
  );
  const result = new PrecisionAwareQuantizer(wasm, { clip: 'max', scaleType }).quantizeModel(
    model,
    planFor(model, (i) => tried[i]!.plan),
  );
  assert.is(result.model.opsets.get(''), opset, 'no later opset is needed');
  const layers = findLayers(model).layers;
  const floats = withInitializers(
    model,
    layers.map(({ weight, dims, rowAxis, rows, cols }, i) => {
      const { granularity, asymmetricBits, rowBits } = tried[i]!.plan;
      const w = model.graph.initializers.find((t) => t.name === weight)!.tensor().data as Float32Array;
      const specOf = (bits: number): GridSpec => ({
        bits,
        granularity: granularity!,
        symmetric: !asymmetricBits!.includes(bits),
        clip: 'max',
        scaleType,
      });
      const coded = encode(wasm, toRows(wasm, w, dims, rowAxis), rows, cols, rowBits!, specOf, 'nearest');
      return makeInitializer(weight, {
        dtype: 'float',
        dims,
        data: fromRows(wasm, decode(wasm, coded), dims, rowAxis),
      });
    }),
  );
  const run = (runtime: Runtime | 'here', m: Model) =>
    runtime === 'here' ? runHere(wasm, writeModel(m), feeds) : runIn(runtime, writeModel(m), feeds);
  for (const runtime of [...RUNTIMES, 'here'] as const) {
    const expected = await run(runtime, floats);
    const found = await run(runtime, result.model);
    for (const [i, { which, plan }] of tried.entries()) {
      const what = `${runtime}, opset ${opset}: ${CASES[which]!.opType} [${CASES[which]!.dims}], ${plan.granularity}, ${plan.rowBits}`;
      const [a, b] = [expected[`y${i}`]!, found[`y${i}`]!];
      assert.is(b.length, a.length, what);
      const at = a.findIndex((v, j) => v !== b[j]);
      assert.is(at, -1, `${what}: output ${at}: expected ${a[at]}, found ${b[at]}`);
      assert.ok(
        a.some((v) => v !== 0),
        what,
      );
    }
  }
}

for (const opset of [7, 9, 10, 11, 13, 17, 18, 21, 25])
  test(`dense at opset ${opset}: rows of different widths decode exactly in node and web`, () =>
    check(opset, opset % 2 ? 'float16' : 'float', opset % 4 === 2 ? [5, 8] : ['channel']));

test('bytes counted beforehand, reported and found in the file are the same', () => {
  for (const granularity of ['channel', 8, 5] as const) {
    const tried = variants([granularity]);
    const { model } = separateLayers(
      tried.map((v) => v.which),
      17,
    );
    const result = new PrecisionAwareQuantizer(wasm).quantizeModel(
      model,
      planFor(model, (i) => tried[i]!.plan),
    );
    const written = readModel(writeModel(result.model));
    const total = (key: 'codes' | 'scales' | 'zeros' | 'order') =>
      result.layers.reduce((n, l) => n + l.stored![key], 0);
    const found = storedBytes(written, model);
    const counted = total('codes') + total('order');
    // Padding is counted of every part of a weight; those decoded together have less.
    assert.ok(
      found.codes <= counted && found.codes > 0.9 * counted,
      `${found.codes} bytes of codes, counted ${counted}`,
    );
    if (granularity !== 'channel') assert.is(found.codes, counted);
    assert.is(found.scales, total('scales'));
    assert.is(found.zeros, total('zeros'));
    findLayers(model).layers.forEach(({ cols }, i) => {
      const { rowBits, asymmetricBits } = tried[i]!.plan;
      const parts = [...new Set(rowBits)].map((bits) => ({
        rows: rowBits!.filter((b) => b === bits).length,
        spec: { bits, granularity, symmetric: !asymmetricBits!.includes(bits), scaleType: 'float16' as const },
      }));
      const priced = dense.mixedBytes!(cols, parts);
      assert.equal(result.layers[i]!.stored, priced);
      assert.is(result.layers[i]!.bytes, totalBytes(priced));
    });
  }
});

test('rows of one width are written as a weight of that width', () => {
  const { model } = separateLayers([0, 4], 17);
  const quantizer = new PrecisionAwareQuantizer(wasm);
  const same = quantizer.quantizeModel(
    model,
    planFor(model, (i) => ({ bits: 3, rowBits: new Array<number>([11, 10][i]!).fill(3) })),
  );
  const plain = quantizer.quantizeModel(
    model,
    planFor(model, () => ({ bits: 3 })),
  );
  assert.equal(writeModel(same.model), writeModel(plain.model));
});

test('which width a row has takes three bits', async () => {
  const spec = (bits: number) => ({ bits, granularity: 'channel', symmetric: true, scaleType: 'float16' }) as const;
  const order = (a: number, b: number) =>
    dense.mixedBytes!(3, [
      { rows: a, spec: spec(2) },
      { rows: b, spec: spec(5) },
    ]).order;
  assert.is(order(1, 255), 96);
  assert.is(order(256, 1), 99);
  assert.is(dense.mixedBytes!(3, [{ rows: 9, spec: spec(2) }]).order, 0);
  // Places beyond 255 in a file: 300 rows of a table, looked up.
  const table = { opType: 'Gather', dims: [300, 4] } as const;
  const { model, feeds } = separateLayers([8], 13);
  const large = withInitializers(model, [
    makeInitializer('w0', {
      dtype: 'float',
      dims: table.dims,
      data: Float32Array.from({ length: 1200 }, (_, i) => i + 1),
    }),
  ]);
  const rowBits = Array.from({ length: 300 }, (_, r) => (r % 7 === 3 ? 8 : 5));
  const result = new PrecisionAwareQuantizer(wasm).quantizeModel(
    large,
    planFor(large, () => ({ bits: 8, rowBits })),
  );
  const indices = BigInt64Array.from({ length: 50 }, (_, i) => BigInt(299 - i));
  const x8 = { ...feeds.x8!, data: indices };
  for (const runtime of RUNTIMES) {
    const { y0 } = await runIn(runtime, writeModel(result.model), { x8 });
    const values = result.layers[0]!.values.data as Float32Array;
    assert.equal(
      [...y0!],
      [...indices].flatMap((r) => [...values.subarray(4 * Number(r), 4 * Number(r) + 4)]),
    );
  }
});

test('codes chosen elsewhere are written as they are, and must be the plan’s', () => {
  const { model } = separateLayers([2], 17);
  const { weight, rows, cols, dims, rowAxis } = findLayers(model).layers[0]!;
  const w = toRows(wasm, model.graph.initializers[0]!.tensor().data as Float32Array, dims, rowAxis);
  const specOf = (bits: number): GridSpec => ({
    bits,
    granularity: 'channel',
    symmetric: true,
    clip: 'mse',
    scaleType: 'float16',
  });
  const rowBits = Array.from({ length: rows }, (_, r) => 3 + (r % 3));
  const coded = encode(wasm, w, rows, cols, rowBits, specOf, 'nearest');
  for (const slice of coded) slice.codes.fill(1);
  const quantizer = new PrecisionAwareQuantizer(wasm);
  const of = (plan: Partial<PlanLayer>, given = coded) =>
    quantizer.quantizeModel(
      model,
      planFor(model, () => plan),
      undefined,
      new Map([[weight, given]]),
    );
  const result = of({ bits: 5, rowBits });
  assert.equal(result.layers[0]!.values.data, fromRows(wasm, decode(wasm, coded), dims, rowAxis));
  const wrong = [5, ...rowBits.slice(1)];
  throws(() => of({ bits: 5, rowBits: wrong }), UsageError, /expected codes of the plan's widths/);
  throws(() => of({ bits: 5 }), UsageError, /expected codes of the plan's widths/);
  throws(() => of({ bits: 5, rowBits }, coded.slice(1)), RangeError, /row \d+ is in no slice/);
  throws(() => of({ bits: 5, rowBits }, [...coded, coded[0]!]), RangeError, /twice/);
});

test('plans whose rows do not fit the layer or the format are refused', () => {
  const { model } = separateLayers([2], 21);
  const quantizer = new PrecisionAwareQuantizer(wasm);
  const of = (plan: Partial<PlanLayer>) => () =>
    quantizer.quantizeModel(
      model,
      planFor(model, () => plan),
    );
  const rowBits = [4, 4, 4, 4, 4, 4, 4, 4, 8];
  throws(
    of({ bits: 8, rowBits: rowBits.slice(1) }),
    UsageError,
    /rowBits: expected a width for each of the 9 rows, found 8/,
  );
  throws(of({ bits: 7, rowBits }), UsageError, /rowBits: expected 7 bits, the layer's, as the widest/);
  throws(of({ bits: 8, rowBits, format: 'qdq' }), UsageError, /format qdq has no other; use format dense/);
  throws(of({ bits: 8, rowBits, granularity: 'tensor' }), UsageError, /one width where a tensor has one scale/);
  throws(of({ bits: 9, rowBits: [9, ...rowBits.slice(1)] }), UsageError, /bits: format dense has widths/);
});

test.run();
