/** What `npm run bench:files` finds, as plain JSON, a table for terminals and one for the README. */
import { withSection } from '../section.ts';
import type { RuntimeName } from '../../src/verify/runtime.ts';
import { formatTable } from '../../src/report/text.ts';

/** What one runtime did with a file. */
export interface RuntimeRow {
  readonly runtime: RuntimeName;
  /** Whether the file is written for it. */
  readonly required: boolean;
  /** Null where it runs the file and agrees; else what it did. */
  readonly wrong: string | null;
  /** Largest difference to Kappa's executor, relative to the largest magnitude of the output; of the original file too. */
  readonly difference: number | null;
  readonly originalDifference: number | null;
  /** The same with the runtime's default options, where they make another arithmetic of it. */
  readonly defaultDifference: number | null;
  /** Time to load the file / the original's. */
  readonly load: number | null;
  /** Speed of the written file / the original's, by samples at once. */
  readonly speed: Readonly<Record<string, number | null>>;
}

export interface FileRow {
  readonly model: string;
  readonly setting: string;
  readonly format: string;
  readonly averageBits: number;
  readonly bytes: number;
  readonly originalBytes: number;
  /** Bytes beyond codes, scales, zero points and what was not quantized, as a share of these. */
  readonly overhead: number;
  /** Mean KL to the original on held-out samples, where the model has classes and data of its own. */
  readonly kl: number | null;
  readonly runtimes: readonly RuntimeRow[];
}

export interface FilesReport {
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly files: readonly FileRow[];
  /** Settings that gave no file, and why. */
  readonly refused: readonly { readonly model: string; readonly setting: string; readonly reason: string }[];
}

export const START = '<!-- files: written by bench/files.ts -->';
export const END = '<!-- end of files -->';

/** Models whose rows are shown in the README: the demonstrations, and one that people use. */
const SHOWN = ['mnist-mlp.onnx', 'resnet18-fashion.onnx', 'transformer-text.onnx', 'ch_PP-OCRv4_rec_infer.onnx'];
const SETTINGS = ['any, 4.1 bits', 'webgpu, 4.1 bits', 'node, 4.1 bits', 'web, W8A8', 'web, W4A8'];

const ratio = (value: number | null | undefined): string =>
  value === null || value === undefined ? '-' : value.toFixed(2);
const small = (value: number | null | undefined): string =>
  value === null || value === undefined ? '-' : value === 0 ? '0' : value.toExponential(0);

/** Cells of a row: of the file, then of each runtime. */
function cells(row: FileRow): string[] {
  const of = (name: RuntimeName) => row.runtimes.find((r) => r.runtime === name);
  const [web, node] = [of('onnxruntime-web'), of('onnxruntime-node')];
  const worst = (r: RuntimeRow | undefined) => (r?.wrong ? `${r.wrong.slice(0, 60)}` : small(r?.difference));
  return [
    row.format,
    `${(row.originalBytes / row.bytes).toFixed(2)}x`,
    `${(100 * row.overhead).toFixed(2)} %`,
    ratio(web?.load),
    ratio(web?.speed['1']),
    ratio(web?.speed['16']),
    ratio(node?.speed['1']),
    ratio(node?.speed['16']),
    worst(web),
    worst(node),
  ];
}

const TITLES = [
  'format',
  'smaller',
  'overhead',
  'load, web',
  'speed, web, 1',
  'web, 16',
  'node, 1',
  'node, 16',
  'differs, web',
  'differs, node',
];

export function filesText({ files, refused }: FilesReport): string {
  const table = formatTable(
    ['model', 'setting', ...TITLES].map((title, i) => ({
      title,
      align: i < 3 ? ('left' as const) : ('right' as const),
    })),
    files.map((row) => [row.model, row.setting, ...cells(row)]),
  );
  return [table, ...refused.map((r) => `refused: ${r.model}, ${r.setting}: ${r.reason}`)].join('\n');
}

/** A Markdown table of the models shown, and what all others come to. */
export function filesTable({ files, versions, rounds }: FilesReport): string {
  const shown = files.filter((row) => SHOWN.includes(row.model) && SETTINGS.includes(row.setting));
  const all = files.flatMap((row) => row.runtimes);
  const wrong = all.filter((r) => r.required && r.wrong !== null).length;
  const models = new Set(files.map((row) => row.model)).size;
  const lines = shown.map(
    (row) => `| ${row.model.replace(/\.onnx$/, '')} | ${row.setting} | ${cells(row).join(' | ')} |`,
  );
  const engines = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `| model | setting | ${TITLES.join(' | ')} |`,
    `|---|---|---|${TITLES.slice(1)
      .map(() => '---:|')
      .join('')}`,
    ...lines,
    '',
    `Load time and speed relative to the original file (speed above 1: faster), 1 and 16 samples at once, 1 thread, medians of ${rounds} interleaved rounds; differences are to Kappa's executor, relative to the largest output (of probabilities to 1). Of all ${files.length} files of ${models} models, ${wrong === 0 ? 'every one agrees in every runtime it is written for' : `${wrong} runs went wrong`}. ${engines.join(', ')}.`,
  ].join('\n');
}

/** The README with the table between its markers. @throws Error where the markers are missing */
export function withFiles(text: string, report: FilesReport): string {
  return withSection(text, START, END, filesTable(report));
}
