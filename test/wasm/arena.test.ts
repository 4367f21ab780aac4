import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KappaError } from '../../src/errors.ts';
import { Arena } from '../../src/wasm/arena.ts';

const PAGE = 65536;
const make = (base = 1000, maxBytes?: number) => new Arena(new WebAssembly.Memory({ initial: 1 }), base, maxBytes);
const refuses = (body: () => unknown, pattern: RegExp, kind: new (...args: never[]) => Error = RangeError) =>
  assert.throws(body, (error: Error) => error instanceof kind && pattern.test(error.message));

test('blocks start at multiples of 16 above the base', () => {
  const arena = make(1001);
  for (const bytes of [0, 1, 15, 16, 17, 100]) {
    const ptr = arena.alloc(bytes);
    assert.is(ptr % 16, 0);
    assert.ok(ptr >= 1001);
  }
});

test('any run of allocs and frees: blocks never overlap, stay in memory, and all of it comes back', () => {
  const step = fc.record({ free: fc.boolean(), size: fc.oneof(fc.nat(200), fc.nat(40000)), pick: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const arena = make();
      const live: { ptr: number; size: number; mark: number }[] = [];
      let mark = 0;
      let peak = 0;
      for (const { free, size, pick } of steps) {
        if (free && live.length > 0) {
          const [block] = live.splice(pick % live.length, 1);
          assert.ok(
            arena.u8(block!.ptr, block!.size).every((v) => v === block!.mark),
            'contents changed',
          );
          arena.free(block!.ptr);
        } else {
          const ptr = arena.alloc(size);
          for (const other of live) {
            const apart = ptr + Math.max(size, 1) <= other.ptr || other.ptr + Math.max(other.size, 1) <= ptr;
            assert.ok(apart, `[${ptr}, +${size}) overlaps [${other.ptr}, +${other.size})`);
          }
          assert.ok(ptr + size <= arena.memory.buffer.byteLength);
          mark = (mark + 1) % 256;
          arena.u8(ptr, size).fill(mark);
          live.push({ ptr, size, mark });
        }
        const used = live.reduce((s, b) => s + Math.max(16, Math.ceil(b.size / 16) * 16), 0);
        peak = Math.max(peak, used);
        assert.is(arena.used, used);
        assert.is(arena.peak, peak);
      }
      for (const { ptr } of live) arena.free(ptr);
      assert.is(arena.used, 0);
      // Everything has joined up again: one block as large as the memory fits without growing it.
      const before = arena.memory.buffer.byteLength;
      arena.alloc(before - 1008);
      assert.is(arena.memory.buffer.byteLength, before);
    }),
    { seed: 7, numRuns: 200 },
  );
});

test('freed neighbours join, in either order', () => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [0, 2, 1],
    [1, 0, 2],
  ]) {
    const arena = make();
    const blocks = [arena.alloc(160), arena.alloc(160), arena.alloc(160)];
    const fence = arena.alloc(16);
    for (const i of order) arena.free(blocks[i]!);
    assert.is(arena.alloc(480), blocks[0]);
    arena.free(fence);
  }
});

test('grows as needed; views made afterwards see what was there', () => {
  const arena = make();
  const a = arena.alloc(4);
  arena.f32(a, 1)[0] = 1.5;
  const b = arena.alloc(10 * PAGE);
  assert.ok(arena.memory.buffer.byteLength >= 11 * PAGE);
  assert.is(arena.f32(a, 1)[0], 1.5);
  arena.u8(b, 10 * PAGE).fill(1);
});

test('the limit is respected, and everything below it can be used', () => {
  const arena = make(1000, 4 * PAGE);
  const block = arena.alloc(4 * PAGE - 1008);
  assert.is(arena.memory.buffer.byteLength, 4 * PAGE);
  refuses(
    () => arena.alloc(1),
    /cannot allocate 1 bytes: 261136 in use, 262144 of at most 262144 reserved/,
    KappaError,
  );
  arena.free(block);
  refuses(() => arena.alloc(4 * PAGE), /cannot allocate 262144 bytes/, KappaError);
  arena.alloc(3 * PAGE);
});

test('high blocks lie at the end of a limited memory, all others at its start', () => {
  const arena = make(1000, 16 * PAGE);
  const low = arena.alloc(100);
  const high = [arena.alloc(PAGE, true), arena.alloc(PAGE, true)];
  assert.is(arena.memory.buffer.byteLength, 16 * PAGE);
  assert.equal(high, [15 * PAGE, 14 * PAGE]);
  assert.is(arena.alloc(100), low + 112);
  arena.free(high[0]!);
  assert.is(arena.alloc(32, true), 16 * PAGE - 32);
  refuses(() => arena.alloc(14 * PAGE), /cannot allocate/, KappaError);
  const all = arena.alloc(14 * PAGE - 1008 - 224);
  arena.u8(all, 14 * PAGE - 1008 - 224).fill(1);
  const other = make(1000);
  assert.ok(other.alloc(16, true) < PAGE, 'a memory without a limit is filled from its start');
});

test('where there is no room what can be freed is asked for, as often as it helps', () => {
  const arena = make(1000, 4 * PAGE);
  const blocks = [arena.alloc(PAGE), arena.alloc(PAGE), arena.alloc(PAGE)];
  let asked = 0;
  arena.onShort = () => {
    asked++;
    const block = blocks.pop();
    if (block !== undefined) arena.free(block);
    return block !== undefined;
  };
  arena.alloc(2 * PAGE);
  assert.is(asked, 2);
  refuses(() => arena.alloc(4 * PAGE + 16), /cannot allocate/, KappaError);
  assert.is(asked, 2, 'what would never fit frees nothing');
  refuses(() => arena.alloc(3 * PAGE), /or more would be needed here/, KappaError);
  assert.equal([asked, blocks.length], [4, 0]);
});

test('more than 4 GiB, and more than there is', () => {
  refuses(() => make().alloc(2 ** 33), /cannot allocate 8589934592 bytes/, KappaError);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 2 });
  const arena = new Arena(memory, 0);
  arena.alloc(2 * PAGE);
  refuses(() => arena.alloc(16), /cannot allocate 16 bytes/, KappaError);
});

test('scope frees what it allocated, also when its body throws, and nests', () => {
  const arena = make();
  const outside = arena.alloc(64);
  const result = arena.scope((alloc) => {
    alloc(100);
    arena.scope((inner) => inner(1000));
    assert.is(arena.used, 64 + 112);
    return 'result';
  });
  assert.is(result, 'result');
  assert.is(arena.used, 64);
  refuses(
    () =>
      arena.scope((alloc) => {
        alloc(1);
        throw new TypeError('from the body');
      }),
    /from the body/,
    TypeError,
  );
  assert.is(arena.used, 64);
  arena.free(outside);
});

test('wrong arguments', () => {
  const arena = make();
  const ptr = arena.alloc(8);
  arena.free(ptr);
  refuses(() => arena.free(ptr), /expected the address of an allocated block, found 1008/);
  refuses(() => arena.free(3), /found 3/);
  refuses(() => arena.alloc(-1), /found -1/);
  refuses(() => arena.alloc(1.5), /found 1.5/);
  refuses(() => arena.alloc(Number.NaN), /found NaN/);
  refuses(() => make(1000, 500), /maxBytes.*found 500/);
  refuses(() => make(1000, 2 ** 40), /maxBytes/);
});

test('put copies any typed array, also a part of one', () => {
  const arena = make();
  const ptr = arena.alloc(64);
  arena.put(ptr, Float64Array.of(1, 2, 3).subarray(1));
  assert.equal(Array.from(arena.f64(ptr, 2)), [2, 3]);
  arena.put(ptr, Int16Array.of(-1, 2));
  assert.equal(
    [Array.from(arena.i16(ptr, 2)), arena.u16(ptr, 1)[0], arena.i8(ptr, 1)[0], arena.u8(ptr, 1)[0]],
    [[-1, 2], 65535, -1, 255],
  );
  assert.equal([arena.i32(ptr, 1)[0], arena.u32(ptr, 1)[0]], [0x2ffff, 0x2ffff]);
});

test.run();
