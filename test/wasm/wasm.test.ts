import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KappaError } from '../../src/errors.ts';
import { Wasm } from '../../src/wasm/wasm.ts';
import { failure, ROOT } from '../helpers.ts';

const bytes = readFileSync(join(ROOT, 'build', 'kernels.wasm'));

test('from bytes and from a compiled module; instances share nothing', async () => {
  const a = await Wasm.create(bytes);
  const b = await Wasm.create(new WebAssembly.Module(bytes));
  const p = a.arena.alloc(16);
  const q = b.arena.alloc(16);
  a.arena.f32(p, 1)[0] = 2;
  b.arena.f32(q, 1)[0] = 3;
  a.k.neg(p, p, 1);
  assert.equal([a.arena.f32(p, 1)[0], b.arena.f32(q, 1)[0]], [-2, 3]);
});

test('the arena starts above the static data', async () => {
  const { k, arena } = await Wasm.create(bytes);
  assert.ok(k.heap_base() > 0);
  assert.ok(arena.alloc(1) >= k.heap_base());
});

test('maxBytes bounds the memory', async () => {
  const { arena } = await Wasm.create(bytes, { maxBytes: 2 ** 21 });
  assert.throws(
    () => arena.alloc(2 ** 21),
    (e: Error) => e instanceof KappaError,
  );
  arena.alloc(2 ** 20);
});

test('kernels work beyond 2 GiB', async () => {
  const { k, arena } = await Wasm.create(bytes);
  const far = 2 ** 31 + 4096;
  let block: number;
  try {
    block = arena.alloc(far);
  } catch {
    // A machine that does not have the address space cannot show it.
    return;
  }
  const n = 37;
  const x = arena.alloc(4 * n);
  assert.ok(x > 2 ** 31);
  arena.f32(x, n).fill(-3);
  k.abs(x, x, n);
  assert.ok(arena.f32(x, n).every((v) => v === 3));
  arena.free(block);
});

test('what is not the kernels is refused', async () => {
  assert.match(
    (await failure(Wasm.create('kernels.wasm' as never))).message,
    /expected the bytes of kernels.wasm.*found string/,
  );
  assert.ok((await failure(Wasm.create(null as never))) instanceof TypeError);
  assert.ok((await failure(Wasm.create(Uint8Array.of(1, 2, 3)))) instanceof WebAssembly.CompileError);
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  assert.match((await failure(Wasm.create(empty))).message, /not the kernels/);
});

test.run();
