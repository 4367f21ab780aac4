import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { arrayOf, type DType, type Tensor } from '../../src/tensor.ts';
import { runHere } from './compare.ts';
import { Draw, type Family, halfBits, type Sample } from './differential/draw.ts';
import { binaries, unaries } from './differential/elementwise.ts';
import { learned } from './differential/learned.ts';
import { picking } from './differential/picking.ts';
import { rows } from './differential/rows.ts';
import { shapes } from './differential/shapes.ts';
import { signals } from './differential/signals.ts';
import { spatial } from './differential/spatial.ts';

/** Every operator that takes float takes float16, bfloat16 and double as well: the same node over these types, against float. */

type Real = 'float16' | 'bfloat16' | 'double';

/** Of the result's largest magnitude. */
const TOLERANCE: Record<Real, number> = { float16: 6e-3, bfloat16: 4e-2, double: 2e-3 };

/** Operators and types that the specification does not have together, and codes, where a rounded quotient is another code. */
const OUTSIDE: Partial<Record<string, readonly Real[]>> = {
  DynamicQuantizeLinear: ['float16', 'bfloat16', 'double'],
  NonMaxSuppression: ['double', 'float16', 'bfloat16'],
  QuantizeLinear: ['double', 'float16', 'bfloat16'],
  DequantizeLinear: ['double'],
  QLinearMatMul: ['double'],
  QLinearConv: ['double'],
};

/** Inputs that are float whatever the others are: scales and regions. */
const FIXED: Partial<Record<string, readonly number[]>> = { Resize: [1, 2], Upsample: [1] };

/** Those whose result has a type of its own. */
const OWN_TYPE = ['Cast', 'CastLike', 'EyeLike', 'HannWindow', 'HammingWindow', 'BlackmanWindow', 'MelWeightMatrix'];

const word = new Float32Array(1);
const bits = new Uint32Array(word.buffer);

function brainBits(v: number): number {
  word[0] = v;
  return (bits[0]! + 0x7fff + ((bits[0]! >>> 16) & 1)) >>> 16;
}

function number(v: number | bigint, dtype: DType): number {
  const n = Number(v);
  if (dtype === 'bfloat16') {
    bits[0] = n << 16;
    return word[0]!;
  }
  if (dtype !== 'float16') return n;
  const [e, m] = [(n >> 10) & 31, n & 1023];
  const a =
    e === 0 ? m * 2 ** -24 : e === 31 ? (m ? Number.NaN : Number.POSITIVE_INFINITY) : (1 + m / 1024) * 2 ** (e - 15);
  return n & 0x8000 ? -a : a;
}

const numbers = (t: Tensor): number[] => Array.from(t.data as Float32Array, (v) => number(v, t.dtype));

function converted(t: Tensor, dtype: Real): Tensor {
  const a = t.data as Float32Array;
  if (dtype === 'double') return { dtype, dims: t.dims, data: Float64Array.from(a) };
  return { dtype, dims: t.dims, data: Uint16Array.from(a, dtype === 'float16' ? halfBits : brainBits) };
}

function compare(op: string, s: Sample, dtype: Real): void {
  const fixed = FIXED[op] ?? [];
  const real = (i: number) => s.inputs[i]?.dtype === 'float' && !fixed.includes(i);
  const there = s.inputs.map((t, i) => (t !== undefined && real(i) ? converted(t, dtype) : t));
  // What the type has rounded is what both get.
  const float = there.map((t, i): Tensor | undefined =>
    t !== undefined && real(i) ? { dtype: 'float', dims: t.dims, data: Float32Array.from(numbers(t)) } : t,
  );
  const expected = runHere(op, float, s.attributes ?? {}, s.c ?? {});
  const actual = runHere(op, there, s.attributes ?? {}, s.c ?? {});
  for (const [i, want] of expected.entries()) {
    const got = actual[i]!;
    const what = `${op} ${dtype} output ${i} of opset ${s.c?.opset}`;
    assert.equal([...got.dims], [...want.dims], what);
    if (i === 0 && want.dtype === 'float' && real(0) && !OWN_TYPE.includes(op)) assert.is(got.dtype, dtype, what);
    const [a, b] = [numbers(got), numbers(want)];
    const most = b.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 1);
    // float16 ends at 65504.
    if (dtype === 'float16' && most > 6e4) continue;
    for (const [j, v] of b.entries())
      if (!(v === a[j] || Math.abs(v - a[j]!) <= TOLERANCE[dtype] * most || (Number.isNaN(v) && Number.isNaN(a[j]))))
        assert.unreachable(`${what}, element ${j}: ${a[j]}, in float ${v}`);
  }
}

function twins(family: Family): void {
  for (const [name, generate] of Object.entries(family)) {
    const d = new Draw(11);
    for (let i = 0, found = 0; i < 60 && found < 4; i++) {
      const s = generate(d);
      const op = s.op ?? name.replace(/_.*/, '');
      if (!s.inputs.some((t) => t?.dtype === 'float' && t.data instanceof arrayOf('float'))) continue;
      found++;
      for (const dtype of ['float16', 'bfloat16', 'double'] as const)
        if (!OUTSIDE[op]?.includes(dtype)) compare(op, s, dtype);
    }
  }
}

test('functions of elements', () => {
  twins(unaries);
  twins(binaries);
});
test('rows, shapes, indices', () => {
  twins(rows);
  twins(shapes);
  twins(picking);
});
test('windows and learned layers', () => {
  twins(spatial);
  twins(learned);
});
test('images and signals', () => twins(signals));

test.run();
