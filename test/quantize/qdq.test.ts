import { test } from 'uvu';
import { checkDecoding } from './decode.ts';

for (const opset of [10, 13, 17, 21, 25]) {
  test(`qdq at opset ${opset}: every width, granularity and kind decodes exactly in node and web`, () =>
    checkDecoding('qdq', opset, 'float', 'all'));
}

test.run();
