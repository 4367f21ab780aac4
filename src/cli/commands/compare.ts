import { basename } from 'node:path';
import type { Command } from 'commander';
import { compareModels, readModelFile } from '../../node.ts';
import { compareText } from '../../report/compare.ts';
import { printable } from '../../report/text.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { openData } from '../data.ts';
import {
  common,
  DATA,
  type DataFlags,
  dataFlags,
  type ImageFlags,
  imageFlags,
  type KernelFlags,
  kernelFlags,
} from '../flags.ts';

interface Flags extends CommonFlags, DataFlags, ImageFlags, KernelFlags {
  readonly calib: string;
}

export function addCompare(program: Command): void {
  const command = program
    .command('compare')
    .summary('error of every value between a model and its quantized form')
    .description(
      'Runs two models on the same data and measures the error of every value that has the same name in both.',
    )
    .argument('<a>', 'ONNX file: the original')
    .argument('<b>', 'ONNX file: its quantized form')
    .requiredOption('--calib <data>', `data: ${DATA}`);
  common(kernelFlags(dataFlags(imageFlags(command), false), true), [
    'kappa compare model.onnx small.onnx --calib data.npz',
    'kappa compare model.onnx small.onnx --calib data.npz --samples 64 --json',
    'kappa compare model.onnx small.onnx --calib photos/ --mean 0.5 --std 0.5',
  ]).action((a: string, b: string, flags: Flags) => withContext(flags, (context) => run(context, a, b, flags)));
}

async function run(context: Context, a: string, b: string, flags: Flags): Promise<void> {
  const [first, second] = [await readModelFile(a), await readModelFile(b)];
  const [data] = await openData(context, [flags.calib], first, flags);
  const report = await compareModels(await context.kernels(), first, second, data, {
    batch: flags.batch,
    samples: flags.samples,
    progress: context.progress,
  });
  const names = [a, b].map((path) => printable(basename(path))) as [string, string];
  await context.result(report, () => compareText(report, ...names, context.report));
}
