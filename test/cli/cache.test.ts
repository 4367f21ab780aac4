import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CostTable } from '../../src/allocate/types.ts';
import { cacheKey, cacheText, keptFile, keptPath, readCache, readKept, unfinishedText } from '../../src/cli/cache.ts';
import { ModelError, UsageError } from '../../src/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'kappa-cache-'));
const path = (name: string) => join(folder, name);
test.after(() => rmSync(folder, { recursive: true }));

const TABLE: CostTable = {
  version: 1,
  metric: 'kl',
  unit: 'kl',
  samples: 9,
  layers: [
    {
      name: 'a',
      weight: 'a.weight',
      opType: 'Gemm',
      params: 300,
      choices: [{ bits: 4, damage: 0.1, bytes: 160, measured: true }],
    },
  ],
};

test('a table and gains of rows come back as they were', async () => {
  const gains = new Map([['a.weight', Float64Array.of(0.1, 1 / 3, 0, 1e-300)]]);
  writeFileSync(path('both'), cacheText('key', TABLE, gains));
  const both = await readCache(path('both'), 'key');
  assert.equal(both.table, TABLE);
  assert.equal(both.gains, gains);
  writeFileSync(path('table'), cacheText('key', TABLE));
  const alone = await readCache(path('table'), 'key');
  assert.equal(alone.table, TABLE);
  assert.is(alone.gains, undefined);
});

test('what an interrupted run measured comes back as it was', async () => {
  const measured = {
    batches: 3,
    sums: [
      [
        [0.1, 2],
        [1e-300, 1 / 3],
      ],
      [[0, 0]],
    ],
  };
  writeFileSync(path('part'), unfinishedText('key', measured));
  const found = await readCache(path('part'), 'key');
  assert.equal(found.unfinished, measured);
  assert.is(found.table, undefined);
  assert.match(found.note, /going on after its 3 batches/);
  assert.is((await readCache(path('part'), 'other')).unfinished, undefined);
  for (const unfinished of [
    null,
    1,
    {},
    { batches: 0, sums: [] },
    { batches: 1, sums: [[['1']]] },
    { batches: 1, sums: [1] },
  ]) {
    writeFileSync(path('bad'), JSON.stringify({ kappaCache: 1, key: 'key', unfinished }));
    const bad = await readCache(path('bad'), 'key');
    assert.is(bad.unfinished, undefined);
    assert.match(bad.note, /damaged \(unfinished measurements/);
  }
});

test('another key, a damaged file, none at all: measured anew, and said; a file that is no cache is left alone', async () => {
  const note = async (name: string, key = 'key') => {
    const { table, gains, note } = await readCache(path(name), key);
    assert.is(table, undefined);
    assert.is(gains, undefined);
    return note;
  };
  writeFileSync(path('other'), cacheText('another', TABLE));
  assert.match(await note('other'), /made from another model, data or settings/);
  assert.match(await note('missing'), /none yet/);
  for (const gains of [[1], { a: 1 }, { a: [-1] }, { a: ['1'] }, { a: [null] }]) {
    writeFileSync(path('bad'), JSON.stringify({ kappaCache: 1, key: 'key', table: TABLE, gains }));
    assert.match(await note('bad'), /damaged \(gains.*measuring anew/);
  }
  writeFileSync(path('text'), 'dear diary');
  let error: unknown;
  await readCache(path('text'), 'key').catch((e: unknown) => {
    error = e;
  });
  assert.instance(error, UsageError);
});

test('what is kept beside a cache comes back; cut off, changed or of another key it does not, and that is said', async () => {
  const kept = Uint8Array.from({ length: 300 }, (_, i) => i % 251);
  const key = await cacheKey(Uint8Array.of(1), undefined, {});
  const file = Buffer.concat(keptFile(key, kept));
  const read = async (bytes: Uint8Array, with_ = key) => {
    writeFileSync(path('m.data'), bytes);
    return readKept(path('m.data'), with_);
  };
  assert.is(keptPath(path('m')), path('m.data'));
  const found = await read(file);
  assert.equal(Uint8Array.from(found.kept!), kept);
  assert.match(found.note!, /used/);
  assert.equal(await readKept(path('none.data'), key), {});
  const refused = async (bytes: Uint8Array, pattern: RegExp, with_?: string) => {
    const { kept: none, note } = await read(bytes, with_);
    assert.is(none, undefined);
    assert.match(note!, pattern);
  };
  const other = await cacheKey(Uint8Array.of(2), undefined, {});
  await refused(file, /made from another model, data or settings; making it anew/, other);
  await refused(file.subarray(0, -1), /damaged \(not the bytes that were written\)/);
  await refused(file.subarray(0, 100), /damaged \(cut off\)/);
  for (const at of [file.length - 1, file.length - 200, 90]) {
    const changed = Uint8Array.from(file);
    changed[at]! ^= 1;
    await refused(changed, /damaged/);
  }
  let error: unknown;
  await read(new TextEncoder().encode('dear diary')).catch((e: unknown) => {
    error = e;
  });
  assert.instance(error, UsageError);
});

test('the key changes with the model, the data and every setting, not with their order', async () => {
  const model = Uint8Array.of(1, 2, 3);
  writeFileSync(path('data'), 'x');
  const keys = await Promise.all([
    cacheKey(model, undefined, {}),
    cacheKey(Uint8Array.of(1, 2, 4), undefined, {}),
    cacheKey(model, path('data'), {}),
    cacheKey(model, undefined, { rounding: 'gptq' }),
    cacheKey(model, undefined, { rounding: 'nearest' }),
    cacheKey(model, undefined, { widths: [2, 4] }),
    cacheKey(model, undefined, {}, [path('data')]),
    cacheKey(model, path('data'), {}, [path('data')]),
  ]);
  assert.is(new Set(keys).size, keys.length);
  const outside = await cacheKey(model, undefined, {}, [path('data')]);
  writeFileSync(path('data'), 'y');
  assert.is.not(await cacheKey(model, undefined, {}, [path('data')]), outside, 'other bytes in the same file');
  let error: unknown;
  await cacheKey(model, undefined, {}, [path('gone')]).catch((e: unknown) => {
    error = e;
  });
  assert.instance(error, ModelError);
  const a = await cacheKey(model, undefined, { seed: 1, samples: 2 });
  assert.is(await cacheKey(model, undefined, { samples: 2, seed: 1 }), a);
});

test.run();
