import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Session } from '../../src/graph/index.ts';
import { loadKernels } from '../../src/node.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import type { Build } from '../../src/wasm/features.ts';
import { RELAXED_FLAGS, ROOT } from '../helpers.ts';
import { distance, feeds, load, NAMES, type Name } from './models.ts';

/** The logits of a demonstration model for a few drawn samples. */
async function logits(name: Name, threads: number, build: Build = 'plain'): Promise<Tensor> {
  const wasm = await loadKernels({ threads, build });
  assert.equal([wasm.threads, wasm.build], [threads, build]);
  const session = new Session(load(name), wasm);
  const out = session.run(feeds(name, 3)).logits!;
  session.dispose();
  wasm.dispose();
  assert.instance(out.data.buffer, ArrayBuffer);
  return out;
}

const bits = ({ data }: Tensor) => Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);

if (process.argv[2] === 'relaxed') {
  const made: Record<string, number[]> = {};
  for (const name of NAMES) {
    const [one, two] = [await logits(name, 1, 'relaxed'), await logits(name, 2, 'relaxed')];
    assert.is(Buffer.compare(bits(two), bits(one)), 0);
    made[name] = [...one.data].map(Number);
  }
  process.stdout.write(JSON.stringify(made));
} else {
  for (const name of NAMES)
    test(`${name}: the same to the bit by 1 to 4 threads`, async () => {
      const one = await logits(name, 1);
      for (const threads of [2, 3, 4])
        assert.is(Buffer.compare(bits(await logits(name, threads)), bits(one)), 0, `${threads} threads`);
    });

  test('the relaxed build is within rounding of the plain one, and the same by 2 threads', async () => {
    const args = [...RELAXED_FLAGS, '--import', 'tsx', 'test/graph/threads.test.ts', 'relaxed'];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: ROOT });
    assert.is(status, 0, stderr.toString());
    const found = JSON.parse(stdout.toString()) as Record<Name, number[]>;
    const errors: number[] = [];
    for (const name of NAMES) {
      const plain = await logits(name, 1);
      errors.push(distance(tensor('float', plain.dims, Float32Array.from(found[name])), plain));
      assert.ok(errors.at(-1)! < 1e-4, `${name}: ${errors.at(-1)}`);
    }
    // the builds are not the same file
    assert.ok(errors.some((error) => error > 0));
  });
  test.run();
}
