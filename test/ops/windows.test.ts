import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { DATA_TYPES } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, doubles, int, of, runHere, same, scalar } from './compare.ts';

test('windows against onnxruntime', async () => {
  for (const op of ['HannWindow', 'HammingWindow', 'BlackmanWindow'])
    for (const size of [2, 5, 10, 400])
      for (const periodic of [0, 1]) {
        const attributes = { periodic: int(periodic) };
        await agree(op, [scalar('int64', size)], attributes, { atol: 1e-5 });
        const asDouble = { ...attributes, output_datatype: int(DATA_TYPES.double) };
        await agree(op, [scalar('int32', size)], asDouble, { atol: 1e-5 });
      }
});

test('by hand, in any type', () => {
  same(runHere('HannWindow', [scalar('int64', 4)])[0]!, of([4], 0, 0.5, 1, 0.5), 'Hann', 1e-6, 1e-7);
  same(runHere('HannWindow', [scalar('int64', 3)], { periodic: int(0) })[0]!, of([3], 0, 1, 0), 'Hann', 1e-6, 1e-7);
  same(runHere('HannWindow', [scalar('int64', 1)], { periodic: int(0) })[0]!, of([1], 1), 'one');
  // The period of a periodic window is its size, so its one element is the first of the formula.
  same(runHere('HannWindow', [scalar('int64', 1)])[0]!, of([1], 0), 'one, periodic');
  same(runHere('HannWindow', [scalar('int64', 0)])[0]!, of([0]), 'none');
  const whole = runHere('HammingWindow', [scalar('int64', 4)], { output_datatype: int(DATA_TYPES.int32) })[0]!;
  same(whole, { dtype: 'int32', dims: [4], data: Int32Array.of(0, 0, 1, 0) }, 'int32');
});

test('a window of a size that cannot be', () => {
  throws(() => runHere('HannWindow', [scalar('int64', -1)]), ModelError, /size: expected 0 or more, found -1/);
  throws(() => runHere('HannWindow', [scalar('int64', 2 ** 50)]), Error);
  throws(() => runHere('HannWindow', [scalar('float', 4)]), ModelError, /size: expected type int64 or int32/);
  throws(
    () => runHere('HannWindow', [scalar('int64', 4)], { output_datatype: int(8) }),
    UnsupportedError,
    /"output_datatype": element type 8/,
  );
});

const mel = (bands: number, length: number, rate: number, low: number, high: number) => [
  ...[bands, length, rate].map((v) => scalar('int64', v)),
  ...[low, high].map((v) => scalar('float', v)),
];

test('MelWeightMatrix', async () => {
  await agree('MelWeightMatrix', mel(8, 16, 8192, 0, 4096), {}, { atol: 1e-5 });
  await agree('MelWeightMatrix', mel(20, 512, 16000, 20, 7600), {}, { atol: 1e-5 });
  const [y] = runHere('MelWeightMatrix', mel(1, 4, 8, 0, 2), { output_datatype: int(DATA_TYPES.double) });
  // Corners at the bins 0, 0 and 0: every triangle is the first bin.
  same(y!, doubles([3, 1], 1, 0, 0), 'degenerate');
});

test('band edges outside the spectrum', () => {
  throws(() => runHere('MelWeightMatrix', mel(8, 16, 8192, 0, 40960)), ModelError, /band edges 0..40960 Hz: bin/);
  throws(() => runHere('MelWeightMatrix', mel(8, 16, 0, 0, 100)), ModelError, /band edges/);
  throws(() => runHere('MelWeightMatrix', mel(-8, 16, 10, 0, 100)), ModelError, /num_mel_bins: expected 0 or more/);
});

test.run();
