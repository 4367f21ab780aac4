import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BitWidthOptimizer, parseCostTable, parsePlan } from '../../src/allocate/index.ts';
import { DataError } from '../../src/errors.ts';
import { randomTable } from './tables.ts';
import { throws } from '../throws.ts';

const table = randomTable({ layers: 3, widths: [2, 4, 8], seed: 1, kind: 'model' });
const plan = new BitWidthOptimizer(table).optimize({ averageBits: 5 });
// biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
type Loose = any;

const copy = <T>(x: T): T => JSON.parse(JSON.stringify(x)) as T;

test('a table and a plan come back from JSON as they went', () => {
  assert.equal(parseCostTable(copy(table)), table);
  assert.equal(parsePlan(copy(plan)), plan);
});

test('a wrong field is named', () => {
  const wrong: [(p: Loose) => void, RegExp][] = [
    [(p) => (p.version = 2), /p.json.version: expected 1, found 2/],
    [(p) => (p.layers[1].bits = 9), /p.json.layers\[1\].bits: expected 2 to 8, 16, or 32 for float, found 9/],
    [(p) => (p.layers[0].granularity = 0), /granularity: expected 'tensor', 'channel' or a block length, found 0/],
    [(p) => (p.layers[2].name = p.layers[0].name), /names that differ/],
    [(p) => delete p.layers, /p.json.layers: expected an array, found undefined/],
    [(p) => (p.bytes = '12'), /p.json.bytes: expected an integer >= 0, found '12'/],
  ];
  for (const [change, message] of wrong) {
    const p = copy(plan);
    change(p);
    throws(() => parsePlan(p, 'p.json'), DataError, message);
  }
  const t = copy(table) as Loose;
  t.layers[0].choices[1].bits = 2;
  throws(() => parseCostTable(t), /choices\[1\].bits: expected more than 2, widths ascend, found 2/);
});

test('property: any JSON is read or refused with a DataError', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const parse of [parsePlan, parseCostTable]) {
        try {
          parse(value);
        } catch (e) {
          assert.instance(e, DataError);
        }
      }
    }),
    { numRuns: 300, seed: 3 },
  );
});

test('a width for every row: kept, and refused where it contradicts itself', () => {
  const layer = {
    name: 'a',
    weight: 'a.weight',
    bits: 5,
    rowBits: [2, 5, 3],
    granularity: 'channel',
    symmetric: true,
    asymmetricBits: [2, 3],
    rounding: 'gptq+cd',
    format: 'dense',
  };
  const plan = (change: object) => ({
    version: 1,
    metric: 'kl',
    strategy: 'rows',
    objective: 'sum',
    averageBits: 3.5,
    bytes: 100,
    predicted: 0.1,
    gap: null,
    layers: [{ ...layer, ...change }],
  });
  const read = (change: object) => () => parsePlan(JSON.parse(JSON.stringify(plan(change))));
  assert.equal(read({})().layers[0], layer);
  throws(read({ bits: 4 }), DataError, /bits: expected 5, the widest of rowBits, found 4/);
  throws(read({ rowBits: [] }), DataError, /rowBits: expected at least one width, found 'none'/);
  throws(read({ rowBits: [5, 9] }), DataError, /rowBits\[1\]: expected 0 or 2 to 8, found 9/);
  throws(read({ rowBits: [5, 1] }), DataError, /rowBits\[1\]/);
  throws(read({ rowBits: [5, '3'] }), DataError, /rowBits\[1\]/);
  throws(read({ rowBits: 5 }), DataError, /rowBits: expected an array, found 5/);
  throws(read({ asymmetricBits: [2, 16] }), DataError, /asymmetricBits\[1\]: expected 2 to 8, found 16/);
});

test.run();
