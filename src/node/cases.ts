/** Test cases of the ONNX backend suite on disk: a folder with model.onnx and test_data_set_N/{input,output}_I.pb. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { UsageError } from '../errors.ts';
import type { Case, CaseSet } from '../jobs/check.ts';
import { byNumber } from '../data/order.ts';
import { externalFiles } from './external.ts';
import { quoted, readInput, reasonOf } from './read.ts';

/**
 * The case folders that the paths name: each is one, or holds some.
 * @throws UsageError for a path that is neither
 */
export async function caseFolders(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    if (await isCase(path)) {
      found.push(path);
      continue;
    }
    const names = await readdir(path).catch((error: unknown) => {
      throw new UsageError(`${quoted(path)}: ${reasonOf(error)}`, { cause: error });
    });
    const inner: string[] = [];
    for (const name of names.sort(byNumber)) if (await isCase(join(path, name))) inner.push(join(path, name));
    if (inner.length === 0)
      throw new UsageError(`${quoted(path)}: expected a folder with model.onnx, or a folder of such folders`);
    found.push(...inner);
  }
  return found;
}

async function isCase(path: string): Promise<boolean> {
  return (await stat(join(path, 'model.onnx')).catch(() => undefined))?.isFile() ?? false;
}

/** Reads one case folder. @throws ModelError, DataError naming the file */
export async function readCase(folder: string): Promise<Case> {
  const path = join(folder, 'model.onnx');
  const sets: CaseSet[] = [];
  for (const name of (await readdir(folder)).filter((n) => /^test_data_set_\d+$/.test(n)).sort(byNumber)) {
    const names = (await readdir(join(folder, name))).sort(byNumber);
    const files = (kind: string) =>
      Promise.all(
        names
          .filter((n) => new RegExp(`^${kind}_\\d+\\.pb$`).test(n))
          .map((n) => readInput(join(folder, name, n), 'data')),
      );
    sets.push({ name, inputs: await files('input'), outputs: await files('output') });
  }
  return {
    name: basename(resolve(folder)),
    model: await readInput(path, 'model'),
    external: externalFiles(path),
    sets,
  };
}
