import { test } from 'uvu';
import { checkDecoding } from './decode.ts';

// Decoding takes one of two forms, below opset 18 and from it on; Slice takes one of two below 10 and from it on.
for (const opset of [7, 18]) {
  test(`dense at opset ${opset}: every width, granularity and kind decodes exactly in node and web`, () =>
    checkDecoding('dense', opset, 'float16', opset < 18 ? 'even' : 'odd'));
}

for (const opset of [9, 10, 11, 13, 17, 21, 25]) {
  test(`dense at opset ${opset}: every width decodes exactly in node and web`, () =>
    checkDecoding('dense', opset, opset % 4 === 1 ? 'float' : 'float16', 'few'));
}

test.run();
