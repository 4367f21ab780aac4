import { test } from 'uvu';
import { ModelError } from '../../src/errors.ts';
import { throws } from '../throws.ts';
import { agree, doubles, floats, integers, of, runHere, same } from './compare.ts';

test('against onnxruntime', async () => {
  for (const dims of [
    [4, 4],
    [2, 3, 3, 3],
    [1, 1],
    [5, 2, 2],
    [8, 8],
  ])
    await agree('Det', [floats(dims)], {}, { rtol: 1e-4, atol: 1e-4 });
});

test('by hand: order of rows, singular, empty', () => {
  same(runHere('Det', [of([2, 2, 2], 0, 1, 1, 0, 1, 2, 2, 4)])[0]!, of([2], -1, 0), 'Det');
  same(runHere('Det', [doubles([3, 3], 2, 0, 0, 0, 3, 0, 0, 0, 4)])[0]!, doubles([], 24), 'double', 1e-15);
  same(runHere('Det', [of([0, 0])])[0]!, of([], 1), 'empty product');
});

test('what has no determinant', () => {
  throws(() => runHere('Det', [floats([2, 3])]), ModelError, /expected shape \[..., n, n\], found \[2,3\]/);
  throws(() => runHere('Det', [floats([2])]), ModelError, /found \[2\]/);
  throws(() => runHere('Det', [integers('int32', [2, 2], 0, 1)]), ModelError, /floating type/);
});

test.run();
