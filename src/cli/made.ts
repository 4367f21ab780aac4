/** What a page says of how it was made: the command, versions, checksums of what went in and came out. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, relative } from 'node:path';
import { DataError } from '../errors.ts';
import { datasetFiles } from '../node.ts';
import { printable } from '../report/text.ts';
import type { Made } from '../report/types.ts';
import type { Planned } from './outputs.ts';
import { commandLine } from './page.ts';

/** A file, or a folder of data, by what it was to the command. */
export interface MadeFile {
  readonly role: 'model' | 'model data' | 'calibration data' | 'held-out data' | 'plan' | 'written file';
  readonly path: string | undefined;
}

/**
 * Reads all that is named, in portions.
 * @param pages where pages are to be written: undefined where none are
 * @throws DataError for a file that cannot be read any more
 */
export async function madeFor(pages: readonly Planned[], files: readonly MadeFile[]): Promise<Made | undefined> {
  if (pages.length === 0) return undefined;
  const found: Made['files'][number][] = [];
  for (const { role, path } of files) if (path !== undefined) found.push({ role, ...(await checksumOf(path)) });
  return { command: commandLine(), versions: { node: process.versions.node }, files: found };
}

async function checksumOf(path: string): Promise<{ name: string; bytes: number; sha256: string }> {
  const files = await datasetFiles(path);
  const [only] = files;
  const name = basename(path);
  if (files.length === 1 && only === path) return { name, ...(await hashed(path)) };
  const list = createHash('sha256');
  let bytes = 0;
  for (const file of files) {
    const own = await hashed(file);
    bytes += own.bytes;
    list.update(`${own.sha256}  ${relative(path, file)}\n`);
  }
  return { name: `${name}/`, bytes, sha256: list.digest('hex') };
}

async function hashed(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path)) {
      hash.update(chunk as Uint8Array);
      bytes += (chunk as Uint8Array).length;
    }
  } catch (cause) {
    throw new DataError(`'${printable(path)}': cannot be read for its checksum`, { cause });
  }
  return { bytes, sha256: hash.digest('hex') };
}
