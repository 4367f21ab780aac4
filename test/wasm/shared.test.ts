import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withSharedMemory } from '../../src/wasm/shared.ts';
import { ROOT } from '../helpers.ts';
import { throws } from '../throws.ts';

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const name = (text: string) => [text.length, ...new TextEncoder().encode(text)];
const section = (id: number, ...content: number[]) => [id, content.length, ...content];

/** A module that imports a function, a table, a global and then a memory of 1 page, behind a custom section. */
const WITH_ALL = Uint8Array.of(
  ...HEADER,
  ...section(0, ...name('note'), 1, 2, 3),
  ...section(1, 1, 0x60, 0, 0),
  ...section(
    2,
    4,
    ...[...name('e'), ...name('f'), 0, 0],
    ...[...name('e'), ...name('t'), 1, 0x70, 1, 1, 9],
    ...[...name('e'), ...name('g'), 3, 0x7f, 0],
    ...[...name('e'), ...name('m'), 2, 1, 1, 0x80, 2],
  ),
  ...section(3, 1, 0),
  ...section(7, 1, ...name('run'), 0, 1),
  ...section(10, 1, 2, 0, 0x0b),
);

test('the memory becomes shared, everything else stays', () => {
  assert.ok(WebAssembly.validate(WITH_ALL));
  const module = new WebAssembly.Module(withSharedMemory(WITH_ALL, 1000));
  const imports = {
    e: {
      f: () => undefined,
      t: new WebAssembly.Table({ element: 'anyfunc', initial: 2, maximum: 9 }),
      g: new WebAssembly.Global({ value: 'i32' }, 0),
      m: new WebAssembly.Memory({ initial: 1, maximum: 1000, shared: true }),
    },
  };
  (new WebAssembly.Instance(module, imports).exports.run as () => void)();
  const more = { e: { ...imports.e, m: new WebAssembly.Memory({ initial: 1, maximum: 1001, shared: true }) } };
  throws(() => new WebAssembly.Instance(module, more), WebAssembly.LinkError, /maximum/);
  const own = { e: { ...imports.e, m: new WebAssembly.Memory({ initial: 1, maximum: 1000 }) } };
  throws(() => new WebAssembly.Instance(module, own), WebAssembly.LinkError, /shared/);
});

test('of the kernels, nothing but the import section differs', () => {
  const bytes = readFileSync(join(ROOT, 'build', 'kernels.wasm'));
  const made = withSharedMemory(bytes, 65536);
  assert.ok(WebAssembly.validate(made));
  const grown = made.length - bytes.length;
  assert.ok(grown > 0 && grown < 8);
  const code = bytes.length >> 1;
  assert.is(Buffer.compare(made.subarray(code + grown), bytes.subarray(code)), 0);
  assert.equal(
    WebAssembly.Module.exports(new WebAssembly.Module(made)),
    WebAssembly.Module.exports(new WebAssembly.Module(bytes)),
  );
});

test('what imports no memory, or is no module, is refused and never loops', () => {
  const refused = (bytes: Uint8Array) =>
    throws(() => withSharedMemory(bytes, 10), WebAssembly.CompileError, /imports no memory/);
  refused(Uint8Array.of(...HEADER));
  refused(new Uint8Array(0));
  refused(Uint8Array.of(...HEADER, ...section(2, 1, ...name('e'), ...name('f'), 0, 0)));
  refused(Uint8Array.of(...HEADER, ...section(2, 2, ...name('e'), ...name('x'), 9, 0, 0)));
  refused(Uint8Array.of(...HEADER, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0xff, 0x0f));
  for (let cut = 0; cut < WITH_ALL.length; cut++) {
    let made: Uint8Array;
    try {
      made = withSharedMemory(WITH_ALL.subarray(0, cut), 10);
    } catch (error) {
      assert.instance(error, WebAssembly.CompileError);
      continue;
    }
    // cut behind the import section: the engine is the judge of the rest
    assert.ok(made.length > 0);
  }
});

test.run();
