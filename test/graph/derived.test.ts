import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { upload, WasmTensor } from '../../src/graph/buffer.ts';
import { Derived } from '../../src/graph/derived.ts';
import { throws } from '../throws.ts';
import { loadWasm } from '../helpers.ts';

const tensor = (...values: number[]) => ({
  dtype: 'float' as const,
  dims: [values.length],
  data: Float32Array.from(values),
});

test('what is derived from a constant is made once a key and shared by its views', async () => {
  const wasm = await loadWasm();
  const derived = new Derived(wasm);
  const t = upload(tensor(1, 2, 3), wasm) as WasmTensor;
  derived.add(t);
  let made = 0;
  const make = (ptr: number) => {
    made++;
    wasm.arena.f32(ptr, 1)[0] = 6;
  };
  const ptr = derived.get(t, 'sum', 4, make)!;
  assert.is(wasm.arena.f32(ptr, 1)[0], 6);
  assert.is(derived.get(new WasmTensor([3, 1], t.buffer), 'sum', 4, make), ptr);
  assert.is(made, 1);
  assert.is.not(derived.get(t, 'other', 4, make), ptr);
  assert.is(made, 2);
});

test('a tensor that is not a constant derives nothing', async () => {
  const wasm = await loadWasm();
  const derived = new Derived(wasm);
  const never = () => assert.unreachable();
  assert.is(derived.get(upload(tensor(1), wasm), 'k', 4, never), undefined);
  assert.is(derived.get(tensor(1), 'k', 4, never), undefined);
});

test('nothing is derived beyond the room there is', async () => {
  const wasm = await loadWasm();
  const derived = new Derived(wasm, 100);
  const t = tensor(1);
  derived.add(t);
  assert.type(
    derived.get(t, 'a', 60, () => {}),
    'number',
  );
  assert.is(
    derived.get(t, 'b', 60, () => assert.unreachable()),
    undefined,
  );
});

test('a failed make leaves nothing behind, and clear frees all', async () => {
  const wasm = await loadWasm();
  const derived = new Derived(wasm);
  const t = tensor(1);
  derived.add(t);
  const before = wasm.arena.used;
  const fail = () => {
    throw new Error('no');
  };
  throws(() => derived.get(t, 'a', 16, fail), /no/);
  assert.is(wasm.arena.used, before);
  derived.get(t, 'a', 16, () => {});
  derived.clear();
  assert.is(wasm.arena.used, before);
  assert.is(
    derived.get(t, 'a', 16, () => {}),
    undefined,
  );
});

test.run();
