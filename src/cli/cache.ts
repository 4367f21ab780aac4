/** The cost table of an earlier run, and the gains of rows, so that another budget need not measure again. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, relative } from 'node:path';
import { DataError, ModelError, UsageError } from '../errors.ts';
import { type Checkpoint, type CostTable, datasetFiles, type Measured, parseCostTable, VERSION } from '../node.ts';
import { readInput, writeOutput } from './files.ts';

/** Largest cache that is read. */
const LIMIT = 256 * 2 ** 20;

/** What a cost table depends on, besides the model and the data. */
export type Settings = Readonly<Record<string, string | number | readonly number[] | undefined>>;

/**
 * SHA-256 over model, data, settings and Kappa's version.
 * @param external paths of files that hold tensors of the model
 * @throws DataError, ModelError for a file that cannot be read
 */
export async function cacheKey(
  model: Uint8Array,
  data: string | undefined,
  settings: Settings,
  external: readonly string[] = [],
): Promise<string> {
  const hash = createHash('sha256');
  const chapter = (name: string) => hash.update(`\n${name}\n`);
  chapter(`kappa ${VERSION}, model of ${model.length} bytes`);
  hash.update(model);
  const add = async (kind: string, file: string, name: string, failure: (cause: unknown) => Error): Promise<void> => {
    try {
      const { size } = await stat(file);
      chapter(`${kind} ${name} of ${size} bytes`);
      for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
    } catch (cause) {
      throw failure(cause);
    }
  };
  for (const file of external)
    await add(
      'external data',
      file,
      basename(file),
      (cause) => new ModelError(`external data '${file}': cannot be read`, { cause }),
    );
  for (const file of data === undefined ? [] : await datasetFiles(data))
    await add(
      'data',
      file,
      relative(data!, file) || basename(file),
      (cause) => new DataError(`data '${file}': cannot be read`, { cause }),
    );
  chapter('settings');
  for (const key of Object.keys(settings).sort()) hash.update(`${key}=${JSON.stringify(settings[key] ?? null)}\n`);
  return hash.digest('hex');
}

export interface Cached {
  /** The table, where the key is the same. */
  readonly table: CostTable | undefined;
  /** Gains of rows by weight name, where they were measured. */
  readonly gains: ReadonlyMap<string, Float64Array> | undefined;
  /** What an interrupted run had measured, where there is no table yet. */
  readonly unfinished: Measured | undefined;
  /** What became of the file, for people. */
  readonly note: string;
}

const NOTHING = { table: undefined, gains: undefined, unfinished: undefined };

/**
 * The table in a cache, or why there is none.
 * @throws UsageError for a file that is no cache, which must not be overwritten
 */
export async function readCache(path: string, key: string): Promise<Cached> {
  const there = await stat(path).catch(() => undefined);
  if (!there) return { ...NOTHING, note: `cache '${path}': none yet, measuring` };
  const bytes = await readInput(path, 'cache', { maxBytes: LIMIT });
  const document = parseCache(bytes);
  if (!document) throw new UsageError(`cache '${path}': is no cache of Kappa's; name another file`);
  if (document.key !== key)
    return { ...NOTHING, note: `cache '${path}': made from another model, data or settings; measuring anew` };
  try {
    if (document.table === undefined) {
      const unfinished = parseUnfinished(document.unfinished);
      const note = `cache '${path}': an unfinished run's, going on after its ${unfinished.batches} batches`;
      return { ...NOTHING, unfinished, note };
    }
    const gains = document.gains === undefined ? undefined : parseGains(document.gains);
    return {
      ...NOTHING,
      table: parseCostTable(document.table),
      gains,
      note: `cache '${path}': used, nothing is measured layer by layer`,
    };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { ...NOTHING, note: `cache '${path}': damaged (${error.message}); measuring anew` };
  }
}

export function cacheText(key: string, table: CostTable, gains?: ReadonlyMap<string, Float64Array>): string {
  const rows = gains && Object.fromEntries([...gains].map(([weight, of]) => [weight, [...of]]));
  return `${JSON.stringify({ kappaCache: 1, key, table, ...(rows && { gains: rows }) })}\n`;
}

/** The file beside a cache with what else serves a second budget (`QuantizeResult.kept`). */
export function keptPath(cache: string): string {
  return `${cache}.data`;
}

/** What such a file starts with; then come key and SHA-256 of the rest, as hexadecimal digits. */
const KEPT_MAGIC = 'KAPPA KEPT 1\n';
const DIGITS = 64;

/** The file of what was kept. */
export function keptFile(key: string, kept: Uint8Array): Uint8Array[] {
  return [new TextEncoder().encode(`${KEPT_MAGIC}${key}${digestOf(kept)}`), kept];
}

/**
 * What is kept beside a cache, and what became of it, where there is a file.
 * @throws UsageError for a file that is none of these, which must not be overwritten
 */
export async function readKept(path: string, key: string): Promise<{ kept?: Uint8Array; note?: string }> {
  if (!(await stat(path).catch(() => undefined))) return {};
  const bytes = await readInput(path, 'cache');
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, KEPT_MAGIC.length + 2 * DIGITS));
  if (!head.startsWith(KEPT_MAGIC)) throw new UsageError(`cache '${path}': is no cache of Kappa's; name another file`);
  const found = head.slice(KEPT_MAGIC.length, KEPT_MAGIC.length + DIGITS);
  if (head.length < KEPT_MAGIC.length + 2 * DIGITS)
    return { note: `cache '${path}': damaged (cut off); making it anew` };
  if (found !== key) return { note: `cache '${path}': made from another model, data or settings; making it anew` };
  const kept = bytes.subarray(head.length);
  if (head.slice(KEPT_MAGIC.length + DIGITS) !== digestOf(kept))
    return { note: `cache '${path}': damaged (not the bytes that were written); making it anew` };
  return { kept, note: `cache '${path}': used, no layer is coded again` };
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Milliseconds between writes of unfinished measurements. */
const CHECKPOINT_MS = 3000;

/** Keeps what is being measured in the cache, every few seconds, so that an interrupted run can be taken up. */
export function checkpointIn(path: string, key: string, start: Cached['unfinished']): Checkpoint {
  let last = Date.now();
  return {
    start,
    async save(measured) {
      if (Date.now() - last < CHECKPOINT_MS) return;
      await writeOutput(path, unfinishedText(key, measured), { force: true });
      last = Date.now();
    },
  };
}

/** A cache of measurements that are not done. */
export function unfinishedText(key: string, { batches, sums }: Measured): string {
  return `${JSON.stringify({ kappaCache: 1, key, unfinished: { batches, sums } })}\n`;
}

/** @throws DataError */
function parseUnfinished(value: unknown): Measured {
  const { batches, sums } = (value ?? {}) as { batches?: unknown; sums?: unknown };
  const numbers = (list: unknown): boolean =>
    Array.isArray(list) && list.every((v) => typeof v === 'number' && Number.isFinite(v));
  const lists = (of: unknown, each: (item: unknown) => boolean): boolean => Array.isArray(of) && of.every(each);
  if (!Number.isSafeInteger(batches) || (batches as number) < 1 || !lists(sums, (of) => lists(of, numbers)))
    throw new DataError('unfinished measurements: expected a count of batches and lists of sums');
  return { batches: batches as number, sums: sums as number[][][] };
}

/** @throws DataError for anything but lists of numbers >= 0 */
function parseGains(value: unknown): Map<string, Float64Array> {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new DataError('gains: expected an object of lists');
  return new Map(
    Object.entries(value).map(([weight, list]) => {
      if (!Array.isArray(list) || !list.every((g) => typeof g === 'number' && g >= 0 && Number.isFinite(g)))
        throw new DataError(`gains of '${weight}': expected a list of numbers >= 0`);
      return [weight, Float64Array.from(list as number[])];
    }),
  );
}

function parseCache(
  bytes: Uint8Array,
): { key: unknown; table: unknown; gains: unknown; unfinished: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (value === null || typeof value !== 'object' || !('kappaCache' in value)) return undefined;
    const { key, table, gains, unfinished } = value as Record<string, unknown>;
    return { key, table, gains, unfinished };
  } catch {
    return undefined;
  }
}
