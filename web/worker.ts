/** Everything that computes: one model, what was measured of it, and the last file made. */
import type { Measured as Unfinished } from '../src/curvature/metric.ts';
import { zipEntries } from '../src/data/zip.ts';
import {
  type Dataset,
  datasetFromArrays,
  datasetFromImages,
  drawnDataset,
  type ImageFile,
  imageFilesFromZip,
  inspectModel,
  type Measurement,
  measureModel,
  MemoryError,
  type Progress,
  quantize,
  readModel,
  readNpz,
  Session,
  type Tensor,
  UsageError,
  Wasm,
} from '../src/index.ts';
import type { Calls, Comparison, Data, Named, Settings } from './protocol.ts';
import { serve } from './serve.ts';

/** Most values of an output that are compared. */
const COMPARED = 256;

interface Opened {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly memory: number;
}

interface Measured {
  readonly found: Measurement;
  readonly calibration: Dataset | undefined;
  readonly dataFree: boolean;
  readonly settings: Settings;
}

let wasm: Promise<Wasm> | undefined;
let opened: Opened | undefined;
let measured: Measured | undefined;
let unfinished: { readonly key: string; readonly state: Unfinished } | undefined;
let made: Uint8Array<ArrayBuffer> | undefined;

/** Runs with the kernels; whatever memory they took is given back where it did not suffice. */
async function withKernels<T>(body: (own: Wasm) => Promise<T>): Promise<T> {
  wasm ??= compiled(model().memory);
  try {
    return await body(await wasm);
  } catch (error) {
    if (error instanceof MemoryError || !(await wasm.catch(() => undefined))) wasm = undefined;
    throw error;
  }
}

async function compiled(maxBytes: number): Promise<Wasm> {
  const response = await fetch(new URL('./kernels.wasm', self.location.href));
  if (!response.ok) throw new Error(`kernels.wasm: ${response.status}; reload the page`);
  return Wasm.create(new Uint8Array(await response.arrayBuffer()), { maxBytes });
}

function model(): Opened {
  if (!opened) throw new UsageError('open a model first');
  return opened;
}

function within(size: number, memory: number, what: string): void {
  if (size > memory) throw new MemoryError(`${what}: ${size} bytes, more than the ${memory} allowed`, size, true);
}

/** Bytes of all that is in an archive; 0 for what is none. */
function zipSize(bytes: Uint8Array, name: string): number {
  return bytes[0] === 0x50 && bytes[1] === 0x4b ? zipEntries(bytes, name).reduce((n, e) => n + e.size, 0) : 0;
}

/** All of a file. @throws MemoryError for one that is larger than the bound */
async function bytesOf(file: File, memory: number): Promise<Uint8Array<ArrayBuffer>> {
  within(file.size, memory, file.name);
  return new Uint8Array(await file.arrayBuffer());
}

/** What two measurements must share for one to go on where the other stopped. */
function keyOf(data: Data, settings: Settings): string {
  const of = (file: File) => [file.name, file.size, file.lastModified];
  const files =
    data.kind === 'images' ? data.files.map((f) => [f.path, ...of(f.file)]) : 'file' in data ? of(data.file) : [];
  return JSON.stringify([data.kind, files, 'options' in data ? data.options : {}, settings]);
}

/** Images among the files, and in the archives among them; none is read before it is asked for. */
async function imagesIn(files: readonly Named[], memory: number): Promise<ImageFile[]> {
  const found: ImageFile[] = [];
  for (const { path, file } of files) {
    if (/\.zip$/i.test(path)) found.push(...imageFilesFromZip(await bytesOf(file, memory), file.name));
    else found.push({ path, bytes: () => bytesOf(file, memory) });
  }
  return found;
}

async function datasetOf(data: Data, settings: Settings, progress: Progress): Promise<Dataset | undefined> {
  const { name, bytes, memory } = model();
  switch (data.kind) {
    case 'npz': {
      const { file } = data;
      const archive = await bytesOf(file, memory);
      within(zipSize(archive, file.name), memory, `the arrays of ${file.name}`);
      return datasetFromArrays(readNpz(archive, file.name), file.name);
    }
    case 'images':
      return datasetFromImages(await imagesIn(data.files, memory), readModel(bytes, name), data.options);
    case 'drawn':
      return withKernels(async (own) => {
        const { dataset } = await drawnDataset(own, readModel(bytes, name), { ...settings, progress });
        return dataset;
      });
    case 'none':
      return undefined;
  }
}

serve<Calls>({
  async open({ file, memory }) {
    const bytes = await bytesOf(file, memory);
    const report = inspectModel(bytes, file.name);
    [opened, measured, unfinished, made, wasm] = [
      { name: file.name, bytes, memory },
      undefined,
      undefined,
      undefined,
      undefined,
    ];
    return report;
  },

  async images({ files, options }) {
    const { name, bytes, memory } = model();
    const dataset = await datasetFromImages(await imagesIn(files, memory), readModel(bytes, name), options);
    return { count: dataset.count, preprocessing: dataset.preprocessing ?? 'they are', notes: dataset.notes ?? [] };
  },

  async measure({ data, settings }, { progress, signal }) {
    const { name, bytes } = model();
    const start = performance.now();
    const key = keyOf(data, settings);
    const left = unfinished?.key === key ? unfinished.state : undefined;
    const calibration = await datasetOf(data, settings, progress);
    const checkpoint = {
      start: left,
      save: (state: Unfinished) => {
        unfinished = { key, state };
      },
    };
    const found = await withKernels((own) =>
      measureModel(own, bytes, { name, ...settings, calibration, progress, signal, checkpoint }),
    );
    measured = { found, calibration, dataFree: data.kind === 'drawn', settings };
    unfinished = undefined;
    const { kept: _, ...give } = found;
    return { ...give, seconds: (performance.now() - start) / 1000, resumed: left !== undefined };
  },

  async quantize({ bits, pins }, { progress, signal }) {
    const { name, bytes } = model();
    if (!measured) throw new UsageError('measure the model first');
    const { found, calibration, dataFree, settings } = measured;
    const { table, kept } = found;
    const data = dataFree ? { dataFree } : { calibration };
    const result = await withKernels((own) =>
      quantize(own, bytes, { name, bits, pins, ...data, ...settings, table, kept, pictures: true, progress, signal }),
    );
    made = result.bytes.slice();
    return { file: new Blob([made]), report: result.report, pictures: result.pictures! };
  },

  async compare({ sample }, { progress }) {
    const { name, bytes } = model();
    if (!made || !measured?.calibration) throw new UsageError('make a file first, from data');
    const { calibration } = measured;
    const at = Math.max(0, Math.min(calibration.count - 1, Math.floor(sample)));
    const feeds = await sampleOf(calibration, at);
    const runs: Record<string, Tensor>[] = [];
    for (const file of [bytes, made]) {
      progress('running both files', runs.length, 2);
      runs.push(await withKernels(async (own) => outputs(own, file, name, feeds)));
    }
    const output = Object.keys(runs[0]!)[0]!;
    const [original, quantized] = runs.map((of) =>
      Float32Array.from((of[output]!.data as Float32Array).subarray(0, COMPARED)),
    );
    const give: Comparison = {
      sample: at,
      samples: calibration.count,
      output,
      original: original!,
      quantized: quantized!,
      feeds: Object.entries(feeds).map(([input, { dtype, dims, data }]) => ({
        name: input,
        dtype,
        dims,
        data: data.slice(),
      })),
    };
    return give;
  },
});

async function sampleOf(data: Dataset, at: number): Promise<Readonly<Record<string, Tensor>>> {
  for await (const { feeds } of data.batches(1, { start: at, limit: 1 })) return feeds;
  throw new UsageError(`sample ${at}: the data has ${data.count}`);
}

function outputs(
  own: Wasm,
  file: Uint8Array,
  name: string,
  feeds: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  const session = new Session(readModel(file, name), own);
  try {
    return session.run(feeds);
  } finally {
    session.dispose();
  }
}
