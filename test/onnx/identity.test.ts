import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readModel, readTensorProto, writeModel } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/index.ts';
import { random, ROOT } from '../helpers.ts';
import { nodeTests, projectModels, read } from './build.ts';
import { fieldsOf, plain, rewritten } from './same.ts';

const cases = nodeTests();
const tests = cases.length ? test : test.skip;

tests(
  `${cases.length} node tests: unchanged, the bytes are identical; rewritten, every field is there and the model the same`,
  () => {
    for (const folder of cases) {
      const bytes = read(join(folder, 'model.onnx'));
      const model = readModel(bytes, basename(folder));
      assert.equal(writeModel(model), bytes, folder);
      const out = writeModel(rewritten(model));
      assert.equal(fieldsOf(out), fieldsOf(bytes), folder);
      assert.equal(plain(readModel(out)), plain(model), folder);
    }
  },
);

tests('node tests: every input and output tensor of a known type is read', () => {
  let known = 0;
  for (const folder of cases) {
    for (const set of readdirSync(folder).filter((name) => name.startsWith('test_data_set_'))) {
      for (const file of readdirSync(join(folder, set)).filter((name) => name.endsWith('.pb'))) {
        try {
          const { tensor } = readTensorProto(read(join(folder, set, file)), `${basename(folder)}/${set}/${file}`);
          assert.is(
            tensor.data.length,
            tensor.dims.reduce((n, d) => n * d, 1),
          );
          known++;
        } catch (error) {
          // sequences, optionals, and types such as string or bfloat16
          assert.match((error as Error).name, /^(UnsupportedError|ModelError)$/, folder);
          if ((error as Error).name === 'ModelError')
            assert.match(basename(folder), /sequence|seq|optional|loop16|if_opt|split_to/, (error as Error).message);
        }
      }
    }
  }
  assert.ok(known > 2500, `${known} tensors`);
});

for (const file of projectModels()) {
  const bytes = read(file);
  test(`${basename(file)}: unchanged, the bytes are identical; rewritten, every field is there`, () => {
    const model = readModel(bytes, basename(file));
    assert.ok(Buffer.from(writeModel(model)).equals(bytes));
    const out = writeModel(rewritten(model));
    assert.ok(fieldsOf(out).join() === fieldsOf(bytes).join());
  });
  test(`${basename(file)}: rewritten, onnxruntime gives the same outputs to the bit`, async () => {
    const out = writeModel(rewritten(readModel(bytes, basename(file))));
    assert.is.not(out.buffer, bytes.buffer);
    const [a, b] = [await run(bytes), await run(out)];
    assert.ok(a.length > 0 && a[0]!.byteLength > 0);
    assert.equal(b, a);
  });
}

/** The outputs' bytes on two random samples. */
async function run(bytes: Uint8Array): Promise<Uint8Array[]> {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const outputs = await session.run(feeds(readModel(bytes)));
  await session.release();
  return session.outputNames.map((name) => {
    const { buffer, byteOffset, byteLength } = outputs[name]!.data as Float32Array;
    return new Uint8Array(buffer, byteOffset, byteLength).slice();
  });
}

function feeds(model: Model): Record<string, ort.Tensor> {
  const next = random(7);
  return Object.fromEntries(
    model.graph.inputs.map((input) => {
      const dims = input.dims!.map((d) => (typeof d === 'number' ? d : 2));
      const n = dims.reduce((a, b) => a * b, 1);
      if (input.elemType === 7)
        return [
          input.name,
          new ort.Tensor(
            'int64',
            BigInt64Array.from({ length: n }, () => BigInt(Math.floor(next() * 64))),
            dims,
          ),
        ];
      return [input.name, new ort.Tensor('float32', Float32Array.from({ length: n }, next), dims)];
    }),
  );
}

test('there are models to walk', () => assert.ok(projectModels().length >= 3, ROOT));

test.run();
