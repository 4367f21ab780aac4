import { DataError, KappaError } from '../../errors.ts';
import { decodeJpeg, isJpeg } from './jpeg.ts';
import type { ImageFile } from './options.ts';
import type { Picture } from './picture.ts';
import { decodePng, isPng } from './png.ts';

/** A file's bytes. @param what what errors call it @throws DataError where they cannot be had */
export async function bytesOf({ bytes }: ImageFile, what: string): Promise<Uint8Array> {
  if (bytes instanceof Uint8Array) return bytes;
  try {
    return await bytes();
  } catch (cause) {
    if (cause instanceof KappaError) throw cause;
    throw new DataError(`${what}: cannot be read (${cause instanceof Error ? cause.message : cause})`, { cause });
  }
}

/**
 * Decodes a PNG or JPEG file, whatever its name says.
 * @param label what errors call it
 * @throws DataError, UnsupportedError naming the file
 */
export function decodeImage(bytes: Uint8Array, label: string): Picture {
  if (isPng(bytes)) return decodePng(bytes, label);
  if (isJpeg(bytes)) return decodeJpeg(bytes, label);
  throw new DataError(`${label}: ${bytes.length === 0 ? 'an empty file' : 'neither a PNG nor a JPEG file'}`);
}
