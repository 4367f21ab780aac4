import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { type Attributes, agree, float, floats, int, of, runHere, same, string } from './compare.ts';

const two = { opset: 27, outputs: 2 };
const contrib = { domain: 'com.microsoft', outputs: 2, atol: 1e-5 };

interface Shape {
  readonly batch: number;
  readonly length: number;
  readonly qHeads: number;
  readonly heads: number;
  readonly dk: number;
  readonly dv: number;
}

const SHAPE: Shape = { batch: 2, length: 3, qHeads: 4, heads: 2, dk: 5, dv: 3 };

function inputsOf(s: Shape, decay: number, beta: number): (Tensor | undefined)[] {
  const { batch, length, qHeads, heads, dk, dv } = s;
  return [
    floats([batch, length, qHeads * dk]),
    floats([batch, length, heads * dk]),
    floats([batch, length, heads * dv]),
    floats([batch, heads, dk, dv]),
    decay === 0 ? undefined : floats([batch, length, decay], -1, 0),
    beta === 0 ? undefined : floats([batch, length, beta], 0, 1),
  ];
}

/** The recurrence as the specification writes it, in doubles. */
function naive(s: Shape, rule: string, inputs: (Tensor | undefined)[]): [Tensor, Tensor] {
  const { batch, length, qHeads, heads, dk, dv } = s;
  const [q, k, v, past, decay, beta] = inputs.map((t) => t && Float64Array.from(t.data as Float32Array));
  const state = past!.slice();
  const out = new Float64Array(batch * length * qHeads * dv);
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let t = 0; t < length; t++) {
        const S = state.subarray((b * heads + h) * dk * dv, (b * heads + h + 1) * dk * dv);
        const token = b * length + t;
        const perRow = decay !== undefined && decay.length === batch * length * heads * dk;
        if (rule.startsWith('gated'))
          for (let i = 0; i < dk * dv; i++)
            S[i]! *= Math.exp(decay![perRow ? (token * heads + h) * dk + Math.floor(i / dv) : token * heads + h]!);
        for (let e = 0; e < dv; e++) {
          let write = v![(token * heads + h) * dv + e]!;
          if (rule.endsWith('delta')) {
            let held = 0;
            for (let d = 0; d < dk; d++) held += S[d * dv + e]! * k![(token * heads + h) * dk + d]!;
            write = beta![beta!.length === batch * length ? token : token * heads + h]! * (write - held);
          }
          for (let d = 0; d < dk; d++) S[d * dv + e]! += k![(token * heads + h) * dk + d]! * write;
        }
        for (let g = h * (qHeads / heads); g < (h + 1) * (qHeads / heads); g++)
          for (let e = 0; e < dv; e++)
            for (let d = 0; d < dk; d++)
              out[(token * qHeads + g) * dv + e]! +=
                (q![(token * qHeads + g) * dk + d]! * S[d * dv + e]!) / Math.sqrt(dk);
      }
  return [
    tensor('float', [batch, length, qHeads * dv], Float32Array.from(out)),
    tensor('float', [batch, heads, dk, dv], Float32Array.from(state)),
  ];
}

const attributesOf = (s: Shape, rule: string): Attributes => ({
  q_num_heads: int(s.qHeads),
  kv_num_heads: int(s.heads),
  update_rule: string(rule),
});

test('LinearAttention follows each of its rules', () => {
  const { heads, dk } = SHAPE;
  for (const [rule, decay, beta] of [
    ['linear', 0, 0],
    ['gated', heads * dk, 0],
    ['gated', heads, 0],
    ['delta', 0, heads],
    ['delta', 0, 1],
    ['gated_delta', heads * dk, heads],
    ['gated_delta', heads, 1],
  ] as const) {
    const inputs = inputsOf(SHAPE, decay, beta);
    const want = naive(SHAPE, rule, inputs);
    const got = runHere('LinearAttention', inputs, attributesOf(SHAPE, rule), two);
    same(got[0]!, want[0], rule, 1e-4, 1e-4);
    same(got[1]!, want[1], `${rule}: state`, 1e-4, 1e-4);
  }
});

test('state carried from run to run is one long run', () => {
  const s = { ...SHAPE, length: 4 };
  const inputs = inputsOf(s, s.heads, s.heads);
  const attributes = { ...attributesOf(s, 'gated_delta'), scale: float(0.5) };
  const [whole, end] = runHere('LinearAttention', inputs, attributes, two) as [Tensor, Tensor];
  let state = inputs[3];
  for (let t = 0; t < 4; t++) {
    const cut = inputs.map((x, i) => {
      if (i === 3) return state;
      const width = x!.dims[2]!;
      const rows = [0, 1].flatMap((b) => [
        ...(x!.data as Float32Array).subarray((b * 4 + t) * width, (b * 4 + t + 1) * width),
      ]);
      return of([2, 1, width], ...rows);
    });
    const [y, next] = runHere('LinearAttention', cut, attributes, two) as [Tensor, Tensor];
    const width = whole.dims[2]!;
    assert.equal(
      [...(y.data as Float32Array).subarray(0, width)],
      [...(whole.data as Float32Array).subarray(t * width, (t + 1) * width)],
    );
    state = next;
  }
  assert.equal([...state!.data], [...end.data]);
});

test('LinearAttention and CausalConvWithState of com.microsoft', async () => {
  const s = { ...SHAPE, dk: 16, dv: 16 };
  await agree('LinearAttention', inputsOf(s, s.heads, s.heads), attributesOf(s, 'gated_delta'), contrib);
  const conv = [floats([2, 4, 7]), floats([4, 1, 3]), floats([4]), floats([2, 4, 2])];
  await agree('CausalConvWithState', conv, { activation: string('silu') }, contrib);
});

test('CausalConvWithState by hand', () => {
  const [x, w] = [of([1, 1, 3], 1, 2, 3), of([1, 1, 2], 10, 1)];
  const plain = runHere('CausalConvWithState', [x, w], {}, two);
  assert.equal([...plain[0]!.data], [1, 12, 23]);
  assert.equal([...plain[1]!.data], [3]);
  const with_ = runHere('CausalConvWithState', [x, w, of([1], 100), of([1, 1, 1], 5)], {}, two);
  assert.equal([...with_[0]!.data], [151, 112, 123]);
  const short = runHere(
    'CausalConvWithState',
    [of([1, 1, 1], 7), of([1, 1, 4], 0, 0, 1, 2), undefined, of([1, 1, 3], 1, 2, 3)],
    {},
    two,
  );
  assert.equal([...short[0]!.data], [17]);
  assert.equal([...short[1]!.data], [2, 3, 7]);
});

test('what contradicts itself is named', () => {
  const run =
    (inputs: (Tensor | undefined)[], attributes = attributesOf(SHAPE, 'gated_delta')) =>
    () =>
      runHere('LinearAttention', inputs, attributes, two);
  const inputs = inputsOf(SHAPE, 2, 2);
  throws(run([...inputs.slice(0, 4), floats([2, 3, 3]), inputs[5]]), ModelError, /decay: expected shape \[2,3,2\]/);
  throws(run([...inputs.slice(0, 4), inputs[4], floats([2, 3, 3])]), ModelError, /beta: expected shape \[2,3,2\]/);
  throws(run(inputs.slice(0, 4)), ModelError, /input 4 \(decay\) is missing/);
  throws(run([...inputs.slice(0, 3), floats([2, 2, 5, 4])]), ModelError, /past_state: expected shape \[2,2,5,3\]/);
  throws(run(inputs, attributesOf(SHAPE, 'other')), UnsupportedError, /"update_rule"/);
  throws(
    run(inputs, attributesOf({ ...SHAPE, qHeads: 3 }, 'linear')),
    UnsupportedError,
    /3 query heads do not divide among 2/,
  );
  const conv =
    (...rest: (Tensor | undefined)[]) =>
    () =>
      runHere('CausalConvWithState', rest, {}, two);
  throws(conv(floats([2, 4, 7]), floats([3, 1, 3])), ModelError, /weight: expected shape \[4,1,3\]/);
  throws(conv(floats([2, 4, 7]), floats([4, 1, 0])), ModelError, /weight: expected shape \[4,1,k\]/);
  throws(
    conv(floats([2, 4, 7]), floats([4, 1, 3]), undefined, floats([2, 4, 3])),
    ModelError,
    /past_state: expected shape \[2,4,2\]/,
  );
});

test.run();
