/** External data of a model: files beside it, of which the tensors that are asked for are read, each by its range. */
import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { KappaError, ModelError } from '../errors.ts';
import type { External } from '../onnx/index.ts';
import { quoted, reasonOf } from './read.ts';

/** One call of the system reads at most this many bytes. */
const CHUNK = 1 << 30;

/**
 * Reads external data of the model at that path (ONNX IR specification, "External Data"). Locations are relative to the model's
 * folder and must lie in it, symbolic links followed; a range must lie in its file.
 * @throws ModelError, when called, for a location outside the folder, a file that is missing or too short
 */
export function externalFiles(modelPath: string): External {
  return (location, offset, length) => {
    const path = externalPath(modelPath, location);
    const what = `external data ${quoted(location)}`;
    let file: number | undefined;
    try {
      // Before it is opened: opening a pipe waits for whoever writes to it.
      const info = statSync(path);
      if (!info.isFile()) throw new ModelError(`${what}: expected a regular file`);
      file = openSync(path, 'r');
      if (offset + length > info.size)
        throw new ModelError(
          `${what}: expected ${length} bytes at ${offset}, found a file of ${info.size} bytes: it was cut off, or is another model's`,
        );
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const n = readSync(file, bytes, done, Math.min(CHUNK, length - done), offset + done);
        if (n === 0) throw new ModelError(`${what}: the file became shorter while it was read`);
        done += n;
      }
      return bytes;
    } catch (error) {
      if (error instanceof KappaError) throw error;
      throw new ModelError(`${what}: ${reasonOf(error)}`, { cause: error });
    } finally {
      if (file !== undefined) closeSync(file);
    }
  };
}

/** The file a location names. @throws ModelError where it is not in the model's folder */
export function externalPath(modelPath: string, location: string): string {
  const refuse = (reason: string): never => {
    throw new ModelError(`external data ${quoted(location)}: ${reason}; only files in the model's folder are read`);
  };
  if (isAbsolute(location) || /^[a-zA-Z]:|\\|\0/.test(location)) refuse('expected a path relative to the model');
  try {
    const folder = realpathSync(dirname(realpathSync(modelPath)));
    const path = realpathSync(resolve(folder, location));
    const way = relative(folder, path);
    if (way === '' || way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) refuse('leaves that folder');
    return path;
  } catch (error) {
    if (error instanceof ModelError) throw error;
    throw new ModelError(`external data ${quoted(location)}: ${reasonOf(error)}`, { cause: error });
  }
}
