import fc from 'fast-check';
import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import type { Attribute } from '../../src/onnx/model.ts';
import { tensor, type Tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { type Attributes, agree, float, floats, int, integers, list, of, runHere, same, string } from './compare.ts';
import { narrowed, widened } from './wide.ts';

const GATES = { RNN: 1, GRU: 3, LSTM: 4 } as const;
type Name = keyof typeof GATES;

const floatsOf = (...v: number[]): Attribute => ({ type: 'floats', value: v.map(Math.fround) });
const strings = (...v: string[]): Attribute => ({ type: 'strings', value: v });

interface Shape {
  readonly t: number;
  readonly b: number;
  readonly i: number;
  readonly h: number;
  readonly d: number;
}

/** X, W, R, B, sequence_lens, initial_h, and for LSTM initial_c and P, each there or not. */
function inputsOf(name: Name, s: Shape, has: { bias: boolean; lengths: boolean; state: boolean; peep: boolean }) {
  const g = GATES[name];
  const inputs: (Tensor | undefined)[] = [
    floats([s.t, s.b, s.i]),
    floats([s.d, g * s.h, s.i], -1, 1),
    floats([s.d, g * s.h, s.h], -1, 1),
    has.bias ? floats([s.d, 2 * g * s.h]) : undefined,
    has.lengths ? integers('int32', [s.b], 1, s.t) : undefined,
    has.state ? floats([s.d, s.b, s.h]) : undefined,
  ];
  if (name === 'LSTM')
    inputs.push(has.state ? floats([s.d, s.b, s.h]) : undefined, has.peep ? floats([s.d, 3 * s.h]) : undefined);
  while (inputs[inputs.length - 1] === undefined) inputs.pop();
  return inputs;
}

const outputs = (name: Name) => (name === 'LSTM' ? 3 : 2);
const direction = (d: number, reverse: boolean) => string(d === 2 ? 'bidirectional' : reverse ? 'reverse' : 'forward');

const parameters = fc.record({
  name: fc.constantFrom<Name[]>('RNN', 'GRU', 'LSTM'),
  t: fc.integer({ min: 1, max: 5 }),
  b: fc.integer({ min: 1, max: 6 }),
  i: fc.integer({ min: 1, max: 7 }),
  h: fc.integer({ min: 1, max: 9 }),
  d: fc.integer({ min: 1, max: 2 }),
  reverse: fc.boolean(),
  bias: fc.boolean(),
  lengths: fc.boolean(),
  state: fc.boolean(),
  peep: fc.boolean(),
  linear: fc.boolean(),
});

test('directions, lengths, states, peepholes, linear_before_reset', async () => {
  await fc.assert(
    fc.asyncProperty(parameters, async (p) => {
      const attributes = {
        hidden_size: int(p.h),
        direction: direction(p.d, p.reverse),
        ...(p.name === 'GRU' ? { linear_before_reset: int(Number(p.linear)) } : {}),
      };
      await agree(p.name, inputsOf(p.name, p, p), attributes, { outputs: outputs(p.name), atol: 2e-5, rtol: 1e-4 });
    }),
    { numRuns: 100, seed: 11 },
  );
});

test('activations with alpha and beta, clip, input_forget', async () => {
  const s = { t: 4, b: 2, i: 3, h: 5, d: 1 };
  const all = { bias: true, lengths: false, state: true, peep: true };
  const run = (name: Name, a: Attributes, shape: Shape = s, has = all) =>
    agree(
      name,
      inputsOf(name, shape, has),
      { hidden_size: int(shape.h), ...a },
      { outputs: outputs(name), atol: 2e-5, rtol: 1e-4 },
    );
  await run('LSTM', { clip: float(0.5) });
  await run('LSTM', { clip: float(0.5), input_forget: int(1) }, s, { ...all, peep: false });
  await run('GRU', { clip: float(0.7) });
  await run('RNN', { clip: float(0.7) });
  const some = [
    strings('HardSigmoid'),
    strings('LeakyRelu'),
    strings('Elu'),
    strings('Softsign'),
    strings('Softplus'),
    strings('Relu'),
  ];
  for (const activations of some) await run('RNN', { activations });
  await run('RNN', {
    activations: strings('ScaledTanh'),
    activation_alpha: floatsOf(0.7),
    activation_beta: floatsOf(1.3),
  });
  await run('RNN', { activations: strings('ThresholdedRelu'), activation_alpha: floatsOf(0.4) });
  await run('RNN', { activations: strings('Affine'), activation_alpha: floatsOf(0.3), activation_beta: floatsOf(0.2) });
  await run(
    'LSTM',
    {
      direction: string('bidirectional'),
      activations: strings('HardSigmoid', 'Tanh', 'LeakyRelu', 'Sigmoid', 'Softsign', 'Tanh'),
      activation_alpha: floatsOf(0.3, 0.05),
      activation_beta: floatsOf(0.4),
    },
    { ...s, d: 2 },
    { ...all, peep: false },
  );
});

test('batch first is the same run, transposed', () => {
  const s = { t: 3, b: 2, i: 4, h: 5, d: 2 };
  for (const name of ['RNN', 'GRU', 'LSTM'] as const) {
    const inputs = inputsOf(name, s, { bias: true, lengths: true, state: true, peep: true });
    const attributes = { direction: string('bidirectional') };
    const plain = runHere(name, inputs, attributes, { outputs: outputs(name) });
    const swapped = [...inputs];
    for (const i of name === 'LSTM' ? [0, 5, 6] : [0, 5]) swapped[i] = swap(inputs[i]!);
    const first = runHere(name, swapped, { ...attributes, layout: int(1) }, { outputs: outputs(name), opset: 14 });
    const y = first[0]!;
    const back = plain[0]!;
    // [batch, time, direction, hidden] against [time, direction, batch, hidden].
    for (let t = 0; t < s.t; t++)
      for (let d = 0; d < s.d; d++)
        for (let b = 0; b < s.b; b++) {
          const row = (data: Tensor, at: number) =>
            of([s.h], ...[...data.data].map(Number).slice(at * s.h, (at + 1) * s.h));
          same(row(y, (b * s.t + t) * s.d + d), row(back, (t * s.d + d) * s.b + b), `${name} Y`);
        }
    for (let i = 1; i < plain.length; i++) same(swap(first[i]!), plain[i]!, `${name} state ${i}`);
  }
});

/** [a, b, c] as [b, a, c]. */
function swap(t: Tensor): Tensor {
  const [a, b, c] = t.dims as [number, number, number];
  const out = new Float32Array(t.data.length);
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let k = 0; k < c; k++) out[(j * a + i) * c + k] = Number(t.data[(i * b + j) * c + k]);
  return tensor('float', [b, a, c], out);
}

test('double runs in double', () => {
  const s = { t: 3, b: 2, i: 4, h: 5, d: 1 };
  for (const name of ['RNN', 'GRU', 'LSTM'] as const) {
    const inputs = inputsOf(name, s, { bias: true, lengths: false, state: true, peep: true });
    const wide = inputs.map((t) => t && widened(t));
    const a = runHere(name, inputs, {}, { outputs: outputs(name) });
    const b = runHere(name, wide, {}, { outputs: outputs(name) });
    b.forEach((t, i) => same(narrowed(t), a[i]!, `${name} ${i}`));
  }
  const [x, w, r] = inputsOf('RNN', s, { bias: false, lengths: false, state: false, peep: false });
  const clip = { activations: strings('Relu'), clip: float(0.5) };
  const narrow = runHere('RNN', [x, w, r], clip)[0]!;
  const double = runHere('RNN', [x!, w!, r!].map(widened), clip)[0]!;
  same(narrowed(double), narrow, 'clipped');
  // One step of one unit: tanh(1/3 + 1/7), to the last digits of a double.
  const one = (v: number) => tensor('double', [1, 1, 1], Float64Array.of(v));
  const y = runHere('RNN', [one(1 / 3), one(1), one(0), tensor('double', [1, 2], Float64Array.of(1 / 7, 0))]);
  same(y[0]!, tensor('double', [1, 1, 1, 1], Float64Array.of(Math.tanh(1 / 3 + 1 / 7))), 'tanh', 1e-15, 0);
});

test('what does not fit is said', () => {
  const s = { t: 3, b: 2, i: 4, h: 5, d: 1 };
  const inputs = inputsOf('LSTM', s, { bias: false, lengths: false, state: false, peep: false });
  const put = (i: number, t: Tensor) => {
    const all = [...inputs];
    while (all.length <= i) all.push(undefined);
    all[i] = t;
    return all;
  };
  throws(
    () => runHere('LSTM', put(1, floats([1, 19, 4]))),
    ModelError,
    /W: expected shape \[1,20,4\], found \[1,19,4\]/,
  );
  throws(() => runHere('LSTM', inputs, { hidden_size: int(6) }), ModelError, /expected hidden_size 6/);
  throws(() => runHere('LSTM', put(0, floats([3, 4]))), ModelError, /X: expected shape \[sequence, batch, input\]/);
  throws(() => runHere('LSTM', put(4, list(1, 9))), ModelError, /sequence_lens: expected 0\.\.3, found 9/);
  throws(() => runHere('LSTM', put(7, floats([1, 3]))), ModelError, /P: expected shape \[1,15\]/);
  throws(() => runHere('LSTM', inputs, { direction: string('up') }), UnsupportedError, /"direction"/);
  throws(() => runHere('LSTM', inputs, { activations: strings('Tanh') }), ModelError, /expected 3 names, found 1/);
  throws(() => runHere('RNN', inputs, { activations: strings('Sine') }), UnsupportedError, /unknown function "Sine"/);
  throws(() => runHere('RNN', inputs, { clip: float(-1) }), ModelError, /"clip": expected >= 0/);
});

test.run();
