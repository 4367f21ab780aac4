/** Which files are samples, in which order, and of which class. */
import { DataError } from '../../errors.ts';
import { show } from '../../onnx/show.ts';
import { sortedByNumber } from '../order.ts';
import type { ImageFile } from './options.ts';
import { isHidden, isImagePath, isLabelPath } from './paths.ts';
import { bytesOf } from './read.ts';

const MAX_LABEL_BYTES = 2 ** 26;
/** Labels are 32-bit integers. */
const MOST = 2 ** 31 - 1;
/** Names told in a note. */
const SHOWN = 5;

/** An image and its label, where it has one. */
export interface Labelled {
  readonly file: ImageFile;
  readonly label?: number;
}

/** What was found among the files of a folder. */
export interface Listing {
  readonly images: readonly Labelled[];
  /** For people: what was left out, which labels there are. */
  readonly notes: readonly string[];
}

/**
 * Sorts out files: labels by `labels.csv` or `labels.txt`, or by folders; images in their order.
 * @param sorted whether images of folders stay in the order of their paths, and are not mixed
 * @param name what errors call the files
 * @throws DataError for no images, paths that appear twice, and labels that cannot be told
 */
export async function listImages(files: readonly ImageFile[], sorted: boolean, name: string): Promise<Listing> {
  const seen = new Set<string>();
  for (const { path } of files) {
    if (seen.has(path)) throw new DataError(`${name}: ${show(path)} appears twice`);
    seen.add(path);
  }
  const images = sortedByNumber(
    files.filter(({ path }) => isImagePath(path)),
    ({ path }) => path,
  );
  const tables = files.filter(({ path }) => isLabelPath(path));
  const others = files.filter((file) => !isImagePath(file.path) && !tables.includes(file) && !isHidden(file.path));
  if (images.length === 0)
    throw new DataError(
      `${name}: expected PNG or JPEG images, found none among ${files.length} files${others.length > 0 ? ` (${listed(others.map(({ path }) => show(path)))})` : ''}`,
    );
  const notes: string[] = [];
  if (others.length > 0)
    notes.push(`${name}: no PNG or JPEG, left out: ${listed(others.map(({ path }) => show(path)))}`);
  if (tables.length > 1) throw new DataError(`${name}: labels in both labels.csv and labels.txt, expected one`);
  const table = tables[0];
  if (table) {
    const found = await byTable(images, table, name);
    if (found.length < images.length)
      notes.push(`${name}: ${images.length - found.length} images have no row in ${table.path}, left out`);
    return { images: found, notes };
  }
  const flat = images.filter(({ path }) => !path.includes('/')).length;
  if (flat === images.length) return { images: images.map((file) => ({ file })), notes };
  if (flat > 0)
    throw new DataError(
      `${name}: ${flat} images beside folders of ${images.length - flat}: expected images, or a folder for each class`,
    );
  const folderOf = ({ path }: ImageFile): string => path.slice(0, path.indexOf('/'));
  const classes = numbered([...new Set(images.map(folderOf))]);
  notes.push(`${name}: ${classes.size} classes by folders: ${listed(told(classes))}`);
  const labelled = images.map((file) => ({ file, label: classes.get(folderOf(file))! }));
  return { images: sorted ? labelled : mixed(labelled), notes };
}

function told(classes: ReadonlyMap<string, number>): string[] {
  return [...classes].map(([name, label]) => `${show(name)} = ${label}`);
}

function listed(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return `${names.slice(0, SHOWN).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Labels of names: the numbers they are, or, where one is none, their places among the sorted names. */
function numbered(names: readonly string[]): Map<string, number> {
  const numbers = names.every((name) => /^-?\d{1,10}$/.test(name) && Math.abs(Number(name)) <= MOST);
  const order = [...names].sort((a, b) => (numbers ? Number(a) - Number(b) : a < b ? -1 : 1));
  return new Map(order.map((name, i) => [name, numbers ? Number(name) : i]));
}

/**
 * Classes mixed evenly: the j-th of n images of a class comes at (j + 1/2) / n of the way, so that the first images, or the last,
 * are of all classes in the shares that all images have.
 */
function mixed(images: readonly Required<Labelled>[]): Required<Labelled>[] {
  const counts = new Map<number, number>();
  const placed = images.map((image) => {
    const j = counts.get(image.label) ?? 0;
    counts.set(image.label, j + 1);
    return { image, j };
  });
  // of whole numbers, so that no rounding decides
  const share = ({ image }: { image: Required<Labelled> }): number => counts.get(image.label)!;
  return placed
    .sort((a, b) => (2 * a.j + 1) * share(b) - (2 * b.j + 1) * share(a) || a.image.label - b.image.label)
    .map(({ image }) => image);
}

/** The images that a table of labels names, in its order; of a table of labels alone, all images in theirs. */
async function byTable(images: readonly ImageFile[], table: ImageFile, name: string): Promise<Labelled[]> {
  const what = `${name}: ${table.path}`;
  const rows = rowsOf(await textOf(table, what), table.path.endsWith('.csv'));
  if (rows.every((row) => row.length === 1)) {
    if (rows.length !== images.length)
      throw new DataError(`${what}: ${rows.length} labels for ${images.length} images: expected one each`);
    const labels = numbered([...new Set(rows.map(([label]) => label!))]);
    return images.map((file, i) => ({ file, label: labels.get(rows[i]![0]!)! }));
  }
  const files = new Map(images.map((file) => [file.path, file]));
  // A first row that names no file says what the columns are.
  const start = rows[0]?.length === 2 && !files.has(rows[0][0]!) && !isImagePath(rows[0][0]!) ? 1 : 0;
  const named = rows.slice(start);
  const used = new Set<string>();
  named.forEach((row, i) => {
    const line = i + start + 1;
    const [path, label] = row;
    if (row.length !== 2 || !label) throw new DataError(`${what}: row ${line}: expected an image and its label`);
    if (!files.has(path!)) throw new DataError(`${what}: row ${line}: there is no image ${show(path!)}`);
    if (used.has(path!)) throw new DataError(`${what}: row ${line}: ${show(path!)} for the second time`);
    used.add(path!);
  });
  if (named.length === 0) throw new DataError(`${what}: no rows`);
  const labels = numbered([...new Set(named.map((row) => row[1]!))]);
  return named.map(([path, label]) => ({ file: files.get(path!)!, label: labels.get(label!)! }));
}

async function textOf(table: ImageFile, what: string): Promise<string> {
  const bytes = await bytesOf(table, what);
  if (bytes.length > MAX_LABEL_BYTES)
    throw new DataError(`${what}: ${bytes.length} bytes, expected at most ${MAX_LABEL_BYTES}`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError(`${what}: expected text in UTF-8`, { cause });
  }
}

/** Rows of one field, or of two: what stands before the last comma (or the last blanks) and behind it. */
function rowsOf(text: string, commas: boolean): string[][] {
  const rows: string[][] = [];
  for (const line of text.split(/\r\n|\r|\n/)) {
    const trimmed = line.trim();
    if (trimmed === '') continue;
    const at = commas ? trimmed.lastIndexOf(',') : trimmed.search(/\s\S*$/);
    rows.push(at < 0 ? [unquoted(trimmed)] : [unquoted(trimmed.slice(0, at)), unquoted(trimmed.slice(at + 1))]);
  }
  return rows;
}

function unquoted(field: string): string {
  const text = field.trim();
  return /^".*"$/.test(text) && text.length > 1 ? text.slice(1, -1).replaceAll('""', '"') : text;
}
