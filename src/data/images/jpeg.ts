/**
 * JPEG images (ITU-T T.81) by jpeg-js: baseline and progressive, grey, colour and CMYK. The file's structure is checked before, so that
 * a hostile one costs neither memory nor time, and colours are made here, rounded as the reference implementation rounds.
 */
import * as jpeg from 'jpeg-js';
import { DataError, UnsupportedError } from '../../errors.ts';
import { interpolate } from './chroma.ts';
import { orientationOf } from './exif.ts';
import { checkPixels, type Picture, upright } from './picture.ts';

/** Every scan may touch every pixel: no encoder makes nearly as many. */
const MAX_SCANS = 100;
/** Most bytes that decoding may take: enough for MAX_PIXELS where colours have half the resolution. */
const MAX_MEMORY = 2 ** 30;

/** Markers (table B.1). */
const [SOF0, SOF2, DHT, RST0, RST7, SOI, EOI, SOS, DQT, DRI, APP0, APP1, APP14] = [
  0xc0, 0xc2, 0xc4, 0xd0, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdd, 0xe0, 0xe1, 0xee,
];
/** Other frames, and arithmetic coding, by marker. */
const UNSUPPORTED: Readonly<Record<number, string>> = {
  195: 'a lossless',
  197: 'a hierarchical',
  198: 'a hierarchical',
  199: 'a hierarchical',
  201: 'an arithmetic-coded',
  202: 'an arithmetic-coded',
  203: 'an arithmetic-coded',
  204: 'an arithmetic-coded',
  205: 'an arithmetic-coded',
  206: 'an arithmetic-coded',
  207: 'an arithmetic-coded',
  222: 'a hierarchical',
};

interface Frame {
  readonly width: number;
  readonly height: number;
  /** In order: identifiers, and samples across and down where the component with most has most. */
  readonly components: readonly { readonly id: number; readonly h: number; readonly v: number }[];
}

interface Structure {
  readonly frame: Frame;
  /** The colour transform an Adobe segment tells; undefined without one. */
  readonly adobe: number | undefined;
  readonly jfif: boolean;
  readonly exif: Uint8Array | undefined;
  /** The file without what does not decide its samples. */
  readonly file: Uint8Array;
}

/** Whether bytes begin as a JPEG file does. */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === SOI && bytes[2] === 0xff;
}

/**
 * Decodes a JPEG file.
 * @param label what errors call it
 * @throws DataError for a file that is damaged, cut off or too large; UnsupportedError for arithmetic coding, lossless and 12-bit files
 */
export function decodeJpeg(bytes: Uint8Array, label: string): Picture {
  const { frame, adobe, jfif, exif, file } = structureOf(bytes, label);
  const { width, height, components } = frame;
  let data: Uint8Array;
  try {
    ({ data } = jpeg.decode(file, {
      useTArray: true,
      formatAsRGBA: false,
      maxResolutionInMP: Infinity,
      maxMemoryUsageInMB: Infinity,
      // Of three components the values as they are stored; of four, jpeg-js knows by the Adobe segment.
      ...(components.length === 3 ? { colorTransform: false } : {}),
    }));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new DataError(`${label}: a JPEG that cannot be decoded (${why}): damaged`, { cause });
  }
  // Components that are called R, G, B are just these.
  const rgb = jfif
    ? false
    : adobe === undefined
      ? components.every(({ id }, i) => id === [82, 71, 66][i])
      : adobe === 0;
  if (components.length === 3) {
    const most = samplingOf(components);
    components.forEach(({ h, v }, c) => {
      const [across, down] = [most.across / h, most.down / v];
      if ((across === 1 || across === 2) && (down === 1 || down === 2))
        interpolate(data, width, height, 3, c, across, down);
    });
    if (!rgb) toRgb(data);
  }
  const picture: Picture =
    components.length === 1
      ? { width, height, channels: 1, data: everyThird(data) }
      : { width, height, channels: 3, data };
  return upright(picture, orientationOf(exif));
}

function everyThird(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length / 3);
  for (let i = 0; i < out.length; i++) out[i] = data[3 * i]!;
  return out;
}

/** Y, Cb, Cr to red, green, blue in place (JFIF 1.02, section "Color space"), in 16 bits of fraction. */
function toRgb(data: Uint8Array): void {
  const clamped = (v: number): number => (v < 0 ? 0 : v > 255 ? 255 : v);
  for (let i = 0; i < data.length; i += 3) {
    const y = data[i]!;
    const cb = data[i + 1]! - 128;
    const cr = data[i + 2]! - 128;
    data[i] = clamped(y + ((91881 * cr + 32768) >> 16));
    data[i + 1] = clamped(y + ((-22554 * cb - 46802 * cr + 32768) >> 16));
    data[i + 2] = clamped(y + ((116130 * cb + 32768) >> 16));
  }
}

/** Walks the segments (annex B): what there is, and the file without application data and comments. */
function structureOf(bytes: Uint8Array, label: string): Structure {
  const truncated = () => new DataError(`${label}: a JPEG that ends too early: truncated`);
  const kept: Uint8Array[] = [bytes.subarray(0, 2)];
  let frame: Frame | undefined;
  let [adobe, exif, adobeAt]: [number?, Uint8Array?, Uint8Array?] = [];
  let jfif = false;
  let scans = 0;
  let at = 2;
  for (;;) {
    // What does not belong to a segment is passed over, as are bytes that fill.
    while (at < bytes.length && bytes[at] !== 0xff) at++;
    while (at < bytes.length && bytes[at] === 0xff) at++;
    const marker = bytes[at++];
    if (marker === undefined) throw truncated();
    if (marker === EOI) break;
    if (marker <= 0x01 || (marker >= RST0! && marker <= SOI!)) continue;
    const length = at + 2 <= bytes.length ? bytes[at]! * 256 + bytes[at + 1]! : Infinity;
    if (at + length > bytes.length) throw truncated();
    if (length < 2)
      throw new DataError(`${label}: a JPEG with a segment of ${length} bytes, expected 2 or more: damaged`);
    const body = bytes.subarray(at + 2, at + length);
    const begins = (name: string) => [...name].every((c, i) => body[i] === c.charCodeAt(0));
    let end = at + length;
    const kind = UNSUPPORTED[marker];
    if (kind) throw new UnsupportedError(`${label}: ${kind} JPEG, expected a baseline or progressive one`);
    if (marker >= SOF0! && marker <= SOF2!) {
      if (frame) throw new DataError(`${label}: a JPEG with two frames, expected one`);
      frame = frameOf(body, label);
    } else if (marker === APP0 && begins('JFIF\0')) jfif = true;
    else if (marker === APP1 && begins('Exif\0')) exif ??= body.subarray(6);
    else if (marker === APP14 && begins('Adobe') && body.length >= 12) {
      adobe = body[11]!;
      adobeAt = bytes.subarray(at - 2, end);
    } else if (marker === SOS) {
      if (!frame) throw new DataError(`${label}: a JPEG with a scan before its frame: damaged`);
      if (++scans > MAX_SCANS) throw new DataError(`${label}: a JPEG of more than ${MAX_SCANS} scans`);
      end = endOfScan(bytes, end);
    }
    if ([DHT, DQT, DRI, SOS].includes(marker) || (marker >= SOF0! && marker <= SOF2!))
      kept.push(Uint8Array.of(0xff, marker), bytes.subarray(at, end));
    at = end;
  }
  if (!frame || scans === 0) throw new DataError(`${label}: a JPEG without an image: damaged`);
  // Every block takes a bit, so that a short file cannot ask for much.
  if (bytes.length * 8 < blocksOf(frame)) throw truncated();
  if (frame.components.length === 4) {
    if (!adobeAt)
      throw new UnsupportedError(`${label}: a JPEG of four colours that does not say which: save it as RGB`);
    kept.splice(1, 0, adobeAt);
  }
  kept.push(Uint8Array.of(0xff, EOI!));
  return { frame, adobe, jfif, exif, file: joined(kept) };
}

/** Where the coded data from `at` on ends: at the next marker that is neither a stuffed 0xff nor a restart. */
function endOfScan(bytes: Uint8Array, at: number): number {
  for (let next = bytes.indexOf(0xff, at); next >= 0; next = bytes.indexOf(0xff, next + 1)) {
    const marker = bytes[next + 1];
    if (marker === undefined) break;
    if (marker !== 0 && marker !== 0xff && !(marker >= RST0! && marker <= RST7!)) return next;
  }
  return bytes.length;
}

/** Section B.2.2. */
function frameOf(body: Uint8Array, label: string): Frame {
  const count = body[5] ?? 0;
  if (body.length < 6 || body.length !== 6 + 3 * count)
    throw new DataError(`${label}: a JPEG frame of ${body.length} bytes for ${count} components: damaged`);
  if (body[0] !== 8)
    throw new UnsupportedError(`${label}: a JPEG of ${body[0]} bits a sample, expected 8: save it with 8`);
  const [height, width] = [body[1]! * 256 + body[2]!, body[3]! * 256 + body[4]!];
  checkPixels(width, height, label);
  const components: { id: number; h: number; v: number }[] = [];
  for (let i = 6; i < body.length; i += 3) {
    const [id, sampling] = [body[i]!, body[i + 1]!];
    const [h, v] = [sampling >> 4, sampling & 15];
    if (components.some((c) => c.id === id) || h < 1 || h > 4 || v < 1 || v > 4)
      throw new DataError(`${label}: a JPEG component ${id} sampled ${h} x ${v}: damaged`);
    components.push({ id, h, v });
  }
  if (![1, 3, 4].includes(count))
    throw new UnsupportedError(`${label}: a JPEG of ${count} components, expected 1, 3 or 4`);
  const frame = { width, height, components };
  const needed = memoryOf(frame);
  if (needed > MAX_MEMORY)
    throw new DataError(
      `${label}: a JPEG of ${width} x ${height} pixels and as many colours, which takes ${needed} bytes to decode, expected at most ${MAX_MEMORY}: make it smaller`,
    );
  return frame;
}

/** Bytes that decoding takes: coefficients (32 bits) and samples, then twice the pixels. */
function memoryOf(frame: Frame): number {
  return blocksOf(frame) * 64 * 5 + 2 * frame.width * frame.height * Math.max(3, frame.components.length);
}

/** Blocks of 8 x 8 samples in whole units. */
function blocksOf({ width, height, components }: Frame): number {
  const { across, down } = samplingOf(components);
  const units = Math.ceil(width / 8 / across) * Math.ceil(height / 8 / down);
  return components.reduce((sum, { h, v }) => sum + units * h * v, 0);
}

/** The most samples that a component has across and down a unit. */
function samplingOf(components: Frame['components']): { across: number; down: number } {
  return { across: Math.max(...components.map(({ h }) => h)), down: Math.max(...components.map(({ v }) => v)) };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
