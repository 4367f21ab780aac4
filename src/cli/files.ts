/**
 * Files a command reads and writes. Reading is bounded and fails with an error that names the file; an output appears
 * under its name only when it is whole, and what was being written is removed on failure and on interruption.
 */
import { randomBytes } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { type FileHandle, link, lstat, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UsageError } from '../errors.ts';
import { codeOf, quoted, reasonOf } from '../node/read.ts';

export { type InputKind, type ReadFileOptions, readInput } from '../node/read.ts';
export { parseList, parseNumber, parseSize, parseWidths, parseBudgets } from './parse.ts';

export interface WriteOptions {
  /** Replace a file that exists already. */
  readonly force?: boolean;
}

/**
 * Fails now rather than after the work: the directory is missing, something other than a file has that name, or a file
 * has it and `force` is not given.
 * @throws UsageError
 */
export async function checkOutput(path: string, options: WriteOptions = {}): Promise<void> {
  if (path === '') throw new UsageError("output '': expected a file name");
  const found = await stat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new UsageError(`output ${quoted(path)}: ${reasonOf(error)}`, { cause: error });
  });
  if (found?.isDirectory()) throw new UsageError(`output ${quoted(path)}: is a directory, expected a file name`);
  if (found && !found.isFile()) throw new UsageError(`output ${quoted(path)}: is not a regular file`);
  if (found && !options.force) throw exists(path);
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (!folder?.isDirectory())
    throw new UsageError(`output ${quoted(path)}: there is no directory ${quoted(dirname(path))}`);
}

function exists(path: string): UsageError {
  return new UsageError(`output ${quoted(path)}: exists already; --force replaces it`);
}

/** Temporary files of this process that are not yet renamed or removed. */
const pending = new Set<string>();
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function removePending(): void {
  for (const path of pending)
    try {
      unlinkSync(path);
    } catch {
      // gone already
    }
  pending.clear();
}

/** With no other listener the signal would have ended the process: it still does. With one, that one decides. */
function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  removePending();
  unwatch();
  process.kill(process.pid, signal);
}

function watch(path: string): void {
  if (pending.size === 0) {
    process.on('exit', removePending);
    for (const signal of SIGNALS) process.on(signal, onSignal);
  }
  pending.add(path);
}

function unwatch(path?: string): void {
  if (path !== undefined) pending.delete(path);
  if (pending.size > 0) return;
  process.off('exit', removePending);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

/**
 * An output file in the making: a temporary file in the same directory, which `commit` flushes to the disk and renames and
 * `discard` removes. One of the two must be called.
 */
export class OutputFile {
  readonly #path: string;
  readonly #target: string;
  readonly #temporary: string;
  readonly #force: boolean;
  readonly #file: FileHandle;
  #open = true;

  private constructor(path: string, target: string, temporary: string, force: boolean, file: FileHandle) {
    this.#path = path;
    this.#target = target;
    this.#temporary = temporary;
    this.#force = force;
    this.#file = file;
  }

  /** @throws UsageError as `checkOutput`, or where the directory cannot be written to */
  static async create(path: string, options: WriteOptions = {}): Promise<OutputFile> {
    await checkOutput(path, options);
    // through a symbolic link the file it points to is replaced, not the link
    const target = await realpath(path).catch(() => path);
    const temporary = join(
      dirname(target),
      `.${basename(target).slice(0, 200)}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`,
    );
    watch(temporary);
    try {
      const file = await open(temporary, 'wx');
      const old = await stat(target).catch(() => undefined);
      if (old) await file.chmod(old.mode & 0o777).catch(() => undefined);
      return new OutputFile(path, target, temporary, options.force ?? false, file);
    } catch (error) {
      unwatch(temporary);
      throw new UsageError(`output ${quoted(path)}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** Where what was written lies until `commit`. */
  get temporary(): string {
    return this.#temporary;
  }

  /** Appends. On failure the temporary file is removed. */
  async write(data: Uint8Array | string): Promise<void> {
    await this.#guard(async () => {
      const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#file.write(bytes, done, Math.min(bytes.length - done, 1 << 30));
        done += bytesWritten;
      }
    });
  }

  /** Makes the file appear under its name, whole. Without `force` a file that appeared there meanwhile is kept, and this fails. */
  async commit(): Promise<void> {
    await this.#guard(async () => {
      await this.#file.sync();
      await this.#file.close();
      if (this.#force) await rename(this.#temporary, this.#target);
      else await this.#publish();
      this.#open = false;
      unwatch(this.#temporary);
    });
    await syncDirectory(dirname(this.#target));
  }

  /** Removes what was written. After `commit`, or twice: nothing. */
  async discard(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#file.close().catch(() => undefined);
    await unlink(this.#temporary).catch(() => undefined);
    unwatch(this.#temporary);
  }

  /** A link fails where the name is taken, which a rename does not; some file systems have none. */
  async #publish(): Promise<void> {
    try {
      await link(this.#temporary, this.#target);
      await unlink(this.#temporary);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw exists(this.#path);
      if (await lstat(this.#target).catch(() => undefined)) throw exists(this.#path);
      await rename(this.#temporary, this.#target);
    }
  }

  async #guard(body: () => Promise<void>): Promise<void> {
    if (!this.#open) throw new Error(`output ${quoted(this.#path)} is closed`);
    try {
      await body();
    } catch (error) {
      await this.discard();
      if (error instanceof UsageError) throw error;
      throw new UsageError(`output ${quoted(this.#path)}: ${reasonOf(error)}`, { cause: error });
    }
  }
}

/** Makes a rename survive a loss of power, where the platform can. */
async function syncDirectory(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close().catch(() => undefined);
}

/** Writes a whole file under its name, or nothing. */
export async function writeOutput(path: string, data: Uint8Array | string, options: WriteOptions = {}): Promise<void> {
  const output = await OutputFile.create(path, options);
  await output.write(data);
  await output.commit();
}
