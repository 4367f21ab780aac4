import { test } from 'uvu';
import { ModelError } from '../../src/errors.ts';
import { throws } from '../throws.ts';
import { agree, doubles, float, floats, integers, runHere, scalar, same } from './compare.ts';

test('by attributes and by inputs', async () => {
  const x = floats([4, 5], -3, 3);
  await agree('Clip', [x], { min: float(-1), max: float(0.5) }, { opset: 7 });
  await agree('Clip', [x], {}, { opset: 7 });
  await agree('Clip', [x, scalar('float', -1), scalar('float', 0.5)]);
  await agree('Clip', [x, undefined, scalar('float', 0.5)]);
  await agree('Clip', [x, scalar('float', -1)]);
  await agree('Clip', [x]);
});

test('other types', async () => {
  for (const type of ['int8', 'uint8', 'int32', 'uint32', 'int64', 'uint64'] as const)
    await agree('Clip', [integers(type, [9], 0, 9), scalar(type, 2), scalar(type, 5)]);
  await agree('Clip', [doubles([4], -9, 0.25, 3, Number.POSITIVE_INFINITY), scalar('double', 0), scalar('double', 2)]);
  const wide = runHere('Clip', [doubles([2], -9, 9)], { min: float(-1) }, { opset: 7 });
  same(wide[0]!, doubles([2], -1, 9), 'double by attribute');
});

test('bounds of another type or shape', () => {
  throws(
    () => runHere('Clip', [floats([2]), scalar('double', 1)]),
    ModelError,
    /min: expected type float, found double/,
  );
  throws(() => runHere('Clip', [floats([2]), floats([2])]), ModelError, /min: expected one element, found shape \[2\]/);
});

test.run();
