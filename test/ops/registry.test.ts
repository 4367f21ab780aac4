import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMON } from '../../src/ops/common.ts';
import { findOperator, lacksRare, loadRare } from '../../src/ops/registry.ts';

// Of all tests this one alone must not load every operator: what is there before it was asked for is what is tested.

const conv = { domain: '', opType: 'Conv' };
const lstm = { domain: 'ai.onnx', opType: 'LSTM' };

test('common operators are there, rare ones once a model has one', async () => {
  assert.ok(findOperator('', 'Conv', 17));
  assert.ok(findOperator('ai.onnx', 'Conv', 17));
  await loadRare([conv]);
  assert.ok(lacksRare());
  assert.is(findOperator('', 'LSTM', 17), undefined);
  await Promise.all([loadRare([conv, lstm]), loadRare([lstm])]);
  assert.not.ok(lacksRare());
  assert.ok(findOperator('', 'LSTM', 17));
  assert.ok(findOperator('com.microsoft', 'MatMulNBits', 1));
  await loadRare([{ domain: '', opType: 'NoSuchOperator' }]);
  assert.is(findOperator('', 'NoSuchOperator', 17), undefined);
});

test('no operator is in both tables, and the whole table has all of them', async () => {
  const { RARE } = await import('../../src/ops/rare.ts');
  const { OPERATORS } = await import('../../src/ops/index.ts');
  for (const [domain, table] of COMMON)
    for (const name of table.keys()) assert.not.ok(RARE.get(domain)?.has(name), `${domain}.${name}`);
  for (const tables of [COMMON, RARE])
    for (const [domain, table] of tables)
      for (const [name, op] of table) assert.is(OPERATORS.get(domain)?.get(name), op, `${domain}.${name}`);
});

test('the highest version at most the opset is the one', () => {
  const since = (opset: number) => findOperator('', 'Clip', opset)?.since;
  assert.ok(since(7)! <= 7);
  assert.ok(since(27)! > since(7)!);
  assert.is(findOperator('', 'BitShift', 7), undefined);
});

test.run();
