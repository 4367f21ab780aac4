/** Images as data: what was dropped, and how they become the model's input. */
import { isImagePath } from '../src/data/images/paths.ts';
import type { ImageOptions } from '../src/index.ts';
import { formatCount } from '../src/report/text.ts';
import { type Client, Failure } from './client.ts';
import { at, input } from './dom.ts';
import type { Calls, Named } from './protocol.ts';

/** Files that are taken from a folder, and folders in folders. */
const MOST_FILES = 20_000;
const DEEPEST = 8;

/** Fields of the form, each empty for what the model's input says. */
export const FIELDS = ['size', 'layout', 'mean', 'std', 'range', 'fit', 'order'].map((name) => `image-${name}`);

/** An image, or an archive of images. */
export const isImage = ({ path }: Named): boolean => isImagePath(path) || /\.zip$/i.test(path);

/** All that was dropped, folders opened: their files have paths from there on. @throws Failure for too many */
export async function dropped(transfer: DataTransfer): Promise<Named[]> {
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry?.() ?? []);
  if (!entries.some((e) => e.isDirectory)) return [...transfer.files].map((file) => ({ path: file.name, file }));
  const found: Named[] = [];
  for (const entry of entries) await walk(entry, '', entries.length === 1, found, 0);
  return found;
}

async function walk(
  entry: FileSystemEntry,
  before: string,
  bare: boolean,
  found: Named[],
  deep: number,
): Promise<void> {
  if (found.length >= MOST_FILES || deep > DEEPEST)
    throw new Failure('data', `expected a folder of at most ${MOST_FILES} files, at most ${DEEPEST} deep`);
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    found.push({ path: before + entry.name, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const inner of some) await walk(inner, bare ? before : `${before}${entry.name}/`, false, found, deep + 1);
  }
}

/** Numbers with commas or spaces between them; undefined for nothing. @throws Failure */
function numbers(id: string, what: string): number | number[] | undefined {
  const text = input(id).value.trim();
  if (text === '') return undefined;
  const values = text.split(/[\s,;]+/).map(Number);
  if (!values.every(Number.isFinite)) throw new Failure('usage', `${what}: expected numbers, found ${text}`);
  return values.length === 1 ? values[0] : values;
}

function chosen<T extends string>(id: string): T | undefined {
  const { value } = at<HTMLSelectElement>(id);
  return value === '' ? undefined : (value as T);
}

/** What the form asks for; what is left empty is found from the model. @throws Failure for what is no setting */
export function imageOptions(): ImageOptions {
  const text = input('image-size').value.trim();
  const [, width, height] = /^(\d+)(?:\s*[x×]\s*(\d+))?$/i.exec(text) ?? [];
  if (text !== '' && width === undefined)
    throw new Failure('usage', `size: expected pixels as in 224 or 320x240 (width x height), found ${text}`);
  const range = chosen<'1' | '255'>('image-range');
  return {
    size: width === undefined ? undefined : { width: Number(width), height: Number(height ?? width) },
    layout: chosen('image-layout'),
    mean: numbers('image-mean', 'mean'),
    std: numbers('image-std', 'deviation'),
    range: range === undefined ? undefined : range === '1' ? 1 : 255,
    fit: chosen('image-fit'),
    order: chosen('image-order'),
  };
}

/** What the images become, in words. @throws Failure where they cannot become the model's input */
export async function describeImages(client: Client<Calls>, files: readonly Named[]): Promise<string> {
  const { count, preprocessing, notes } = await client.call('images', { files, options: imageOptions() });
  const others = notes.filter((note) => !note.includes(preprocessing));
  return `${[`${formatCount(count)} images as ${preprocessing}`, ...others].join('. ')}.`;
}
