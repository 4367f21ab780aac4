/** The files one command writes: refused before the work, made whole together after it. */
import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UsageError } from '../errors.ts';
import { printable } from '../report/text.ts';
import { checkOutput, OutputFile } from './files.ts';

export interface Planned {
  readonly flag: string;
  readonly path: string;
  readonly force: boolean;
}

const identity = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

/**
 * Fails where an output cannot be written later: it exists without `force`, has no directory, or is one of the inputs or
 * another output.
 * @throws UsageError
 */
export async function checkOutputs(outputs: readonly Planned[], inputs: readonly string[]): Promise<void> {
  const taken = new Map<string, string>();
  for (const path of inputs) taken.set(await identity(path), 'an input');
  for (const { flag, path, force } of outputs) {
    if (path.startsWith('--')) throw new UsageError(`${flag}: expected a file name, got the flag ${printable(path)}`);
    const id = await identity(path);
    const other = taken.get(id);
    if (other !== undefined)
      throw new UsageError(`${flag} '${printable(path)}': is ${other} as well; expected a file of its own`);
    taken.set(id, flag);
    await checkOutput(path, { force });
  }
}

/**
 * Writes all, then lets all appear; on failure none that had not appeared yet does.
 * @param check looks at what was written before it appears, under temporary names in the same order, and throws where it must not
 */
export async function writeAll(
  files: readonly (Planned & { readonly data: Uint8Array | string | Iterable<Uint8Array> })[],
  check?: (temporary: readonly string[]) => Promise<void>,
): Promise<void> {
  const open: OutputFile[] = [];
  try {
    for (const { path, force, data } of files) {
      const output = await OutputFile.create(path, { force });
      open.push(output);
      const pieces = typeof data === 'string' || data instanceof Uint8Array ? [data] : data;
      for (const piece of pieces) await output.write(piece);
    }
    await check?.(open.map((output) => output.temporary));
    for (const output of open) await output.commit();
  } finally {
    for (const output of open) await output.discard();
  }
}
