// The README's table of models that people use, from the rows of bench/results/real.json.

import { withSection } from '../section.ts';

const START = '<!-- real: written by bench/real.ts -->';
const END = '<!-- end of real -->';

/** The README with the table between its markers. @throws Error where the markers are missing */
export function withReal(text: string, results: Results): string {
  return withSection(text, START, END, realTable(results));
}

/** A model at one budget. */
export interface Row {
  readonly model: string;
  readonly what: string;
  readonly calibrationSamples: number;
  readonly heldOutSamples: number;
  readonly bytes: number;
  /** Width of the uniform plan whose bytes, scales and zero points counted, are the budget. */
  readonly bits: number;
  readonly averageBits: number;
  readonly plan: string;
  readonly file: number;
  readonly uniformFile: number;
  /** KL in nats a prediction, squared error over squared norm, or the mean of both over several outputs. */
  readonly unit: string;
  /** On held-out samples, all outputs: the plan's, and that of that width for every layer, both with the pass in sequence. */
  readonly heldOut: number;
  readonly uniformHeldOut: number;
  /** The same on the calibration samples that judge plans, before the pass in sequence for uniform widths. */
  readonly judged: number | null;
  readonly uniformJudged: number | null;
  /** Lines read as the original model reads them, and as they were written, of the held-out ones. */
  readonly readAlike: number | null;
  readonly readRight: number | null;
  readonly seconds: number;
}

export interface Results {
  readonly rows: readonly Row[];
  readonly failures: readonly { readonly model: string; readonly reason: string }[];
}

/** Markdown: a line a model, a column a budget. */
export function realTable({ rows }: Pick<Results, 'rows'>): string {
  const budgets = [...new Set(rows.map((r) => r.bits))].sort((a, b) => b - a);
  const lines = [...new Set(rows.map((r) => r.model))].map((model) => {
    const own = rows.filter((r) => r.model === model);
    const cells = budgets.map((bits) => {
      const row = own.find((r) => r.bits === bits);
      return row ? cell(row) : '-';
    });
    return `| ${model.replace('.onnx', '')}: ${own[0]!.what} | ${size(own[0]!.bytes)} | ${own[0]!.unit} | ${cells.join(' | ')} |`;
  });
  const head = ['model', 'original', 'damage in', ...budgets.map((b) => `${b} bits`)];
  return [`| ${head.join(' | ')} |`, `|${head.map(() => '---|').join('')}`, ...lines].join('\n');
}

function cell({ file, heldOut, uniformHeldOut, readAlike }: Row): string {
  const alike = readAlike === null ? '' : `; ${Math.round(100 * readAlike)} % read alike`;
  return `${size(file)}, **${damage(heldOut)}** (${damage(uniformHeldOut)})${alike}`;
}

const damage = (x: number): string => (x === 0 ? '0' : x.toExponential(1));

const size = (bytes: number): string =>
  bytes >= 1e6 ? `${(bytes / 1e6).toPrecision(3)} MB` : `${(bytes / 1e3).toPrecision(3)} kB`;
