import { basename } from 'node:path';
import type { Command } from 'commander';
import { externalFiles, analyzeModel, readModel } from '../../node.ts';
import { analyzeText } from '../../report/analyze.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { parseNumber, readInput } from '../files.ts';
import { checkOutputs } from '../outputs.ts';
import { madeFor } from '../made.ts';
import { commandLine, pageOutput, writePage } from '../page.ts';
import { openData } from '../data.ts';
import {
  common,
  DATA,
  type ImageFlags,
  imageFlags,
  type KernelFlags,
  kernelFlags,
  type MeasuringFlags,
  measuringFlags,
} from '../flags.ts';

interface Flags extends CommonFlags, ImageFlags, KernelFlags, MeasuringFlags {
  readonly calib?: string;
  readonly targetAccuracy?: number;
  readonly report?: string;
  readonly force?: boolean;
}

export function addAnalyze(program: Command): void {
  const command = program
    .command('analyze')
    .summary('curvature, required bits and error contributions, layer by layer')
    .description(
      'Measures every layer: curvature, spectrum, the bits that are proved necessary (Theorem 4.7), the damage of each width, and its share of the bound on the output error (Theorem 3.4).',
    )
    .argument('<model>', 'ONNX file')
    .option('--calib <data>', `calibration data: ${DATA}`)
    .option('--target-accuracy <eps>', 'error that is to be met (default: 0.01)', (t) =>
      parseNumber(t, '--target-accuracy', { min: Number.MIN_VALUE }),
    )
    .option('--report <file>', 'write the report as a page: one HTML file that needs nothing else')
    .option('--force', 'replace files that exist');
  common(kernelFlags(measuringFlags(imageFlags(command)), false), [
    'kappa analyze model.onnx',
    'kappa analyze model.onnx --calib data.npz --target-accuracy 0.001',
    'kappa analyze model.onnx --calib data.npz --json > analysis.json',
    'kappa analyze model.onnx --calib data.npz --report analysis.html',
  ]).action((model: string, flags: Flags) => withContext(flags, (context) => run(context, model, flags)));
}

async function run(context: Context, path: string, flags: Flags): Promise<void> {
  const pageOut = pageOutput(flags);
  await checkOutputs(
    pageOut,
    [path, flags.calib].filter((p) => p !== undefined),
  );
  const bytes = await readInput(path, 'model');
  const [calibration] = await openData(context, [flags.calib], readModel(bytes, path), flags);
  if (!calibration) context.note('no --calib: no ranges and no damage are measured');
  const found = await analyzeModel(await context.kernels(), bytes, {
    name: path,
    external: externalFiles(path),
    calibration,
    targetAccuracy: flags.targetAccuracy,
    widths: flags.widths,
    metric: flags.metric,
    loss: flags.loss,
    samples: flags.samples,
    batch: flags.batch,
    seed: flags.seed,
    progress: context.progress,
    signal: context.signal,
  });
  const report = { ...found, model: { ...found.model, name: basename(path) } };
  const made = await madeFor(pageOut, [
    { role: 'model', path },
    { role: 'calibration data', path: flags.calib },
  ]);
  await writePage(pageOut, (pages) => pages.analyzeHtml({ report, command: commandLine(), made }));
  await context.result({ ...report, ...(made && { made }) }, () => analyzeText(report, context.report));
}
