import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Spill } from '../../src/graph/spill.ts';
import { Wasm } from '../../src/wasm/wasm.ts';
import { ROOT } from '../helpers.ts';

test('bytes are zeros at first and the same after a time on the heap', async () => {
  const wasm = await Wasm.create(readFileSync(`${ROOT}/build/kernels.wasm`), { maxBytes: 2 ** 21 });
  const { arena } = wasm;
  const before = arena.used;
  const many = Array.from({ length: 12 }, () => new Spill(wasm, 2 ** 18));
  assert.is(arena.used, before, 'nothing before it is used');
  for (let round = 0; round < 3; round++)
    for (const [i, spill] of many.entries())
      spill.use((ptr) => {
        const bytes = arena.u8(ptr, 2 ** 18);
        assert.ok(
          bytes.every((v) => v === round * i),
          `${i} in round ${round}`,
        );
        bytes.fill((round + 1) * i);
      });
  assert.ok(arena.memory.buffer.byteLength <= 2 ** 21);
  for (const spill of many) spill.dispose();
  assert.is(arena.used, before);
});

test('one in use stays where it is', async () => {
  const wasm = await Wasm.create(readFileSync(`${ROOT}/build/kernels.wasm`), { maxBytes: 2 ** 21 });
  const { arena } = wasm;
  const [held, other] = [new Spill(wasm, 2 ** 19), new Spill(wasm, 2 ** 19)];
  other.use(() => {});
  held.use((ptr) => {
    arena.u8(ptr, 4).set([1, 2, 3, 4]);
    arena.free(arena.alloc(2 ** 19));
    arena.free(arena.alloc(2 ** 19 + 2 ** 18));
    assert.equal([...arena.u8(ptr, 4)], [1, 2, 3, 4]);
  });
  held.dispose();
  other.dispose();
});

test.run();
