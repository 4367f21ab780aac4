import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parsePlan } from '../../src/allocate/json.ts';
import { DataError } from '../../src/errors.ts';
import { throws } from '../throws.ts';

const test = suite('allocate/activations');

const value = { value: 'x', bits: 8, type: 'uint8', scale: 0.5, zero: 3 };
const plan = (activations?: unknown) => ({
  version: 1,
  metric: 'kl',
  strategy: 'best',
  objective: 'sum',
  averageBits: 4,
  bytes: 10,
  predicted: 0,
  gap: null,
  layers: [],
  ...(activations === undefined ? {} : { activations }),
});
const of = (change: object) => plan({ mode: 'static', range: 'mse', values: [{ ...value, ...change }] });

test('activations of a plan read back; plans without them stay valid', () => {
  assert.not.ok('activations' in parsePlan(plan()));
  for (const activations of [
    { mode: 'static', range: 'mse', values: [value, { ...value, value: 'y', bits: 32, type: 'int8', zero: -128 }] },
    { mode: 'static', range: 'minmax', values: [{ ...value, bits: 16, type: 'int16', zero: -32768 }] },
    { mode: 'dynamic', range: 'minmax', values: [] },
  ])
    assert.equal(parsePlan(plan(activations)).activations, activations);
  assert.is(parsePlan(of({ scale: 0.1 })).activations!.values[0]!.scale, Math.fround(0.1));
});

test('every field is checked', () => {
  const bad: readonly (readonly [unknown, RegExp])[] = [
    [plan({ mode: 'none', range: 'mse', values: [] }), /activations\.mode: expected 'static' or 'dynamic'/],
    [plan({ mode: 'static', range: 1, values: [] }), /activations\.range: expected a string/],
    [plan({ mode: 'static', range: 'mse', values: {} }), /activations\.values: expected an array/],
    [of({ type: 'uint4' }), /values\[0\]\.type/],
    [of({ type: 'toString' }), /values\[0\]\.type/],
    [of({ bits: 16 }), /values\[0\]\.bits/],
    [of({ bits: 4 }), /values\[0\]\.bits/],
    [of({ scale: 0 }), /values\[0\]\.scale/],
    [of({ scale: 1e-60 }), /values\[0\]\.scale/],
    [of({ scale: 1e60 }), /values\[0\]\.scale/],
    [of({ zero: 256 }), /values\[0\]\.zero/],
    [of({ zero: 1.5 }), /values\[0\]\.zero/],
    [of({ value: 7 }), /values\[0\]\.value/],
  ];
  for (const [given, message] of bad) throws(() => parsePlan(given), DataError, message);
});

test.run();
