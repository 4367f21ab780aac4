import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Session } from '../../src/graph/index.ts';
import { type Coded, decode, pickRows, rowsLeftOut } from '../../src/grid/coded.ts';
import { encode } from '../../src/grid/index.ts';
import { makeNode, makeValueInfo, readModel, withGraph, writeModel } from '../../src/onnx/index.ts';
import { Builder } from '../../src/quantize/builder.ts';
import { integer, whyNotInteger } from '../../src/quantize/integer.ts';
import { totalBytes } from '../../src/quantize/format.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { model } from './models.ts';
import { RUNTIMES, runIn } from './run.ts';

const test = suite('quantize/integer');
const wasm = await loadWasm();
const ROWS = 19;
const COLS = 24;

function codedAt(bits: number, symmetric: boolean, scaleType: 'float' | 'float16' = 'float16'): Coded {
  const w = normals(ROWS * COLS, random(bits), 0.1);
  return encode(
    wasm,
    w,
    ROWS,
    COLS,
    bits,
    () => ({ bits, granularity: 'channel', symmetric, clip: 'mse', scaleType }),
    'nearest',
    undefined,
  );
}

/** Rows of three widths, and some that are left out. */
function mixed(): Coded {
  const rows = (k: number) => Array.from({ length: ROWS }, (_, r) => r).filter((r) => r % 4 === k);
  const [four, five, eight] = [codedAt(4, false)[0]!, codedAt(5, false)[0]!, codedAt(8, true)[0]!];
  const { cols, block, scaleType } = four.grid;
  return [
    rowsLeftOut(rows(0), { cols, block, scaleType }),
    pickRows(four, rows(1)),
    pickRows(five, rows(2)),
    pickRows(eight, rows(3)),
  ];
}

/** A model that decodes the weight, and tells its codes apart: the int8 in front of DequantizeLinear. */
function decoded(coded: Coded, dims: readonly number[], rowAxis: number, opset: number) {
  const empty = model({ nodes: [], outputs: [makeValueInfo('w', 'float', undefined)] }, opset, 8);
  const b = new Builder(empty);
  const stored = integer.write(wasm, b, { name: 'w', dims, rowAxis, coded });
  const parts = [b.common(), b.take()];
  const nodes = parts.flatMap((p) => p.nodes);
  const codes = nodes.find((n) => n.opType === 'DequantizeLinear')!.inputs[0]!;
  const out = withGraph(empty, {
    nodes: [...nodes, makeNode('Identity', [codes], ['codes'])],
    initializers: parts.flatMap((p) => p.initializers),
    outputs: [makeValueInfo('w', 'float', undefined), makeValueInfo('codes', 'int8', undefined)],
  });
  return { bytes: writeModel(out), stored };
}

const FORMS = [
  { dims: [ROWS, COLS], rowAxis: 0 },
  { dims: [COLS, ROWS], rowAxis: 1 },
  { dims: [ROWS, 2, 3, 4], rowAxis: 0 },
] as const;

test('int8 codes times a scale a row are the weights, at every width and opset', async () => {
  for (const bits of integer.widths)
    for (const symmetric of bits === 8 ? [true] : [true, false])
      for (const [i, { dims, rowAxis }] of FORMS.entries()) {
        const coded = codedAt(bits, symmetric, i === 1 ? 'float' : 'float16');
        const { bytes, stored } = decoded(coded, dims, rowAxis, bits % 2 === 0 ? 13 : 18);
        const session = new Session(readModel(bytes), wasm);
        const { w, codes } = session.run({});
        session.dispose();
        assert.is(codes!.dtype, 'int8');
        const expected = decode(wasm, coded);
        const found = w!.data as Float32Array;
        for (let r = 0; r < ROWS; r++)
          for (let c = 0; c < COLS; c++)
            assert.is(found[rowAxis === 0 ? r * COLS + c : c * ROWS + r]! + 0, expected[r * COLS + c]! + 0);
        const spec = { bits, granularity: 'channel', symmetric, scaleType: coded[0]!.grid.scaleType } as const;
        assert.is(totalBytes(stored), integer.bytes(ROWS, COLS, spec));
      }
});

test('rows of several widths, and rows left out as zeros, in stock runtimes too', async () => {
  const coded = mixed();
  const { bytes, stored } = decoded(coded, [ROWS, COLS], 0, 17);
  const expected = decode(wasm, coded);
  for (const runtime of RUNTIMES) {
    const { w } = await runIn(runtime, bytes, {});
    assert.equal(
      w!.map((v) => v + 0),
      expected.map((v) => v + 0),
    );
  }
  const parts = coded.map(({ grid }) => ({
    rows: grid.rows,
    spec: { bits: grid.bits, granularity: 'channel' as const, symmetric: grid.symmetric, scaleType: grid.scaleType },
  }));
  assert.equal(stored, integer.mixedBytes!(COLS, parts));
});

test('what no int8 can say is written as dense writes it', () => {
  const wide = codedAt(8, false);
  const { grid, codes } = wide[0]!;
  const far: Coded = [{ rows: undefined, grid: { ...grid, zeros: new Uint8Array(ROWS).fill(255) }, codes }];
  assert.match(whyNotInteger(far) ?? '', /zero points of 8-bit weights/);
  assert.is(whyNotInteger(codedAt(7, false)), undefined);
  const b = new Builder(model({ nodes: [] }, 17));
  integer.write(wasm, b, { name: 'w', dims: [ROWS, COLS], rowAxis: 0, coded: far });
  assert.not.ok([...b.common().nodes, ...b.take().nodes].some((n) => n.opType === 'DequantizeLinear'));
});

test.run();
