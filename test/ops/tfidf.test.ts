import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, type Attributes, floats, int, ints, list, runHere, string } from './compare.ts';

const BASE: Attributes = {
  mode: string('TF'),
  min_gram_length: int(1),
  max_gram_length: int(2),
  max_skip_count: int(5),
  ngram_counts: ints(0, 4),
  ngram_indexes: ints(3, 0, 1, 2, 4, 6, 5),
  pool_int64s: ints(2, 3, 5, 4, 5, 6, 7, 8, 6, 7),
};
const X = tensor('int32', [2, 6], Int32Array.of(1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8));

test('TfIdfVectorizer', async () => {
  const weights = { type: 'floats', value: [1, 2, 3, 4, 5, 6, 7] } as const;
  for (const mode of ['TF', 'IDF', 'TFIDF'])
    for (const skips of [0, 1, 5])
      for (const least of [1, 2])
        await agree(
          'TfIdfVectorizer',
          [X],
          { ...BASE, mode: string(mode), max_skip_count: int(skips), min_gram_length: int(least), weights },
          { opset: 9 },
        );
  await agree('TfIdfVectorizer', [list(5, 6, 7, 8, 2)], BASE, { opset: 9 });
});

test('TfIdfVectorizer refuses', () => {
  const run = (a: Attributes) => () => runHere('TfIdfVectorizer', [X], { ...BASE, ...a });
  throws(run({ ngram_counts: ints(0, 11) }), ModelError, /1-grams in whole within a pool of 10, found 0..11/);
  throws(run({ ngram_counts: ints(0, 3) }), ModelError, /2-grams in whole/);
  throws(run({ ngram_indexes: ints(0, 1) }), ModelError, /expected 7 columns, one an n-gram, found 2/);
  throws(run({ min_gram_length: int(3) }), ModelError, /1 <= min_gram_length <= max_gram_length/);
  throws(run({ mode: string('BM25') }), UnsupportedError, /attribute "mode"/);
  throws(run({ pool_strings: { type: 'strings', value: ['a'] } }), UnsupportedError, /pool_strings/);
  throws(() => runHere('TfIdfVectorizer', [floats([2])], BASE), ModelError, /X: expected type int64 or int32/);
});

test.run();
