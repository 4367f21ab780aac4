import { basename } from 'node:path';
import type { Command } from 'commander';
import { compareModels, openDataset, readModelFile } from '../../node.ts';
import { compareText } from '../../report/compare.ts';
import { printable } from '../../report/text.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { common, type DataFlags, dataFlags, type KernelFlags, kernelFlags } from '../flags.ts';

interface Flags extends CommonFlags, DataFlags, KernelFlags {
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
    .requiredOption('--calib <data>', 'data: an .npz, or a folder with one file or test_data_set folder a sample');
  common(kernelFlags(dataFlags(command, false), true), [
    'kappa compare model.onnx small.onnx --calib data.npz',
    'kappa compare model.onnx small.onnx --calib data.npz --samples 64 --json',
  ]).action((a: string, b: string, flags: Flags) => withContext(flags, (context) => run(context, a, b, flags)));
}

async function run(context: Context, a: string, b: string, flags: Flags): Promise<void> {
  const [first, second] = [await readModelFile(a), await readModelFile(b)];
  const data = await openDataset(flags.calib, first);
  const report = await compareModels(await context.kernels(), first, second, data, {
    batch: flags.batch,
    samples: flags.samples,
    progress: context.progress,
  });
  const names = [a, b].map((path) => printable(basename(path))) as [string, string];
  await context.result(report, () => compareText(report, ...names, context.report));
}
