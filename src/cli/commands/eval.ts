import { basename } from 'node:path';
import type { Command } from 'commander';
import { evaluateModels, readModelFile } from '../../node.ts';
import { evaluateText } from '../../report/evaluate.ts';
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
  readonly eval: string;
  readonly reference?: string;
}

export function addEval(program: Command): void {
  const command = program
    .command('eval')
    .summary('accuracy and cross-entropy; against a reference: KL, changes, confidence bounds')
    .description(
      'Runs a model on labelled data. With a reference, also how far the two are apart, with bounds that hold with 95 % confidence for further data of the same kind.',
    )
    .argument('<model>', 'ONNX file')
    .requiredOption('--eval <data>', `data: ${DATA}`)
    .option('--reference <model>', 'ONNX file to compare with, usually the original');
  common(kernelFlags(dataFlags(imageFlags(command)), true), [
    'kappa eval model.onnx --eval test.npz',
    'kappa eval small.onnx --eval test.npz --reference model.onnx --json',
    'kappa eval resnet.onnx --eval val/ --image-crop 0.875 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225',
  ]).action((model: string, flags: Flags) => withContext(flags, (context) => run(context, model, flags)));
}

async function run(context: Context, path: string, flags: Flags): Promise<void> {
  const model = await readModelFile(path);
  const reference = flags.reference === undefined ? null : await readModelFile(flags.reference);
  const [data] = await openData(context, [flags.eval], model, flags);
  const report = await evaluateModels(await context.kernels(), model, reference, data, {
    loss: flags.loss,
    batch: flags.batch,
    samples: flags.samples,
    progress: context.progress,
  });
  await context.result(report, () => evaluateText(report, printable(basename(path)), context.report));
}
