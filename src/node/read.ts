/** Bounded reading of files that users name. */
import { type FileHandle, open } from 'node:fs/promises';
import { DataError, type KappaError, ModelError, UsageError } from '../errors.ts';
import { formatBytes, printable } from '../report/text.ts';

/** What a file is meant to be; decides the error, and so the exit code, when it cannot be read. */
export type InputKind = 'model' | 'data' | 'plan' | 'cache';

export interface ReadFileOptions {
  /** Largest size in bytes that is read; default 2 GiB - 1 (no ONNX message can be longer). */
  readonly maxBytes?: number;
}

const DEFAULT_LIMIT = 2 ** 31 - 1;
const CHUNK = 1 << 20;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'is a directory, expected a file',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'too many open files',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  ERR_INVALID_ARG_VALUE: 'not a valid file name',
};

/** The system's name of a failure: ENOENT. */
export const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? '';

/** Why a file operation failed, for people. */
export function reasonOf(error: unknown): string {
  return REASONS[codeOf(error)] ?? (error instanceof Error ? printable(error.message) : String(error));
}

/** A path as errors show it: what the user typed. */
export const quoted = (path: string): string => `'${printable(path)}'`;

function readError(kind: InputKind, message: string, cause?: unknown): KappaError {
  const options = cause === undefined ? undefined : { cause };
  if (kind === 'model') return new ModelError(message, options);
  if (kind === 'data') return new DataError(message, options);
  return new UsageError(message, options);
}

/**
 * A file's bytes.
 * @throws ModelError, DataError or, for plans and caches, UsageError: missing, a directory, unreadable, over the limit
 */
export async function readInput(path: string, kind: InputKind, options: ReadFileOptions = {}): Promise<Uint8Array> {
  const limit = options.maxBytes ?? DEFAULT_LIMIT;
  if (!(limit >= 0)) throw new RangeError(`maxBytes: expected a number >= 0, got ${limit}`);
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const info = await file.stat();
    if (info.isDirectory()) throw readError(kind, `${kind} ${quoted(path)}: is a directory, expected a file`);
    const tooLarge = (size: string) =>
      readError(kind, `${kind} ${quoted(path)}: expected at most ${formatBytes(limit)}, found ${size}`);
    if (info.size > limit) throw tooLarge(formatBytes(info.size));
    return info.isFile() ? await readSized(file, info.size) : await readStream(file, limit, () => tooLarge('more'));
  } catch (error) {
    if (error instanceof ModelError || error instanceof DataError || error instanceof UsageError) throw error;
    throw readError(kind, `${kind} ${quoted(path)}: ${reasonOf(error)}`, error);
  } finally {
    await file?.close();
  }
}

/** A regular file of `size` bytes, or what is there should it have become shorter. */
async function readSized(file: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await file.read(bytes, filled, Math.min(size - filled, 1 << 30), filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/** A pipe or a device, whose size is known only at its end. */
async function readStream(file: FileHandle, limit: number, tooLarge: () => KappaError): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const { bytesRead, buffer } = await file.read(new Uint8Array(CHUNK), 0, CHUNK, null);
    if (bytesRead === 0) break;
    total += bytesRead;
    if (total > limit) throw tooLarge();
    chunks.push(buffer.subarray(0, bytesRead));
  }
  const bytes = new Uint8Array(total);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
