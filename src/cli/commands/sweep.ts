import { basename } from 'node:path';
import type { Command } from 'commander';
import { externalFiles, readModel, sweep } from '../../node.ts';
import { sweepText } from '../../report/sweep.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { parseBudgets, readInput } from '../files.ts';
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
  readonly calib: string;
  readonly eval: string;
  readonly bits: number[];
  readonly report?: string;
  readonly force?: boolean;
}

export function addSweep(program: Command): void {
  const command = program
    .command('sweep')
    .summary('the accuracy/size frontier against uniform widths, in one run')
    .description(
      'Quantizes a model at several budgets, guided and uniform at the same bytes, and runs every file on held-out data. Layers are measured once.',
    )
    .argument('<model>', 'ONNX file')
    .requiredOption('--calib <data>', `calibration data: ${DATA}`)
    .requiredOption('--eval <data>', 'held-out data')
    .option(
      '--bits <budgets>',
      'average bits: a range of whole ones or a list, as 2:8 or 2.5,3.1,4.1',
      (t) => parseBudgets(t),
      [2, 3, 4, 5, 6, 7, 8],
    )
    .option('--report <file>', 'write the frontier as a page: one HTML file that needs nothing else')
    .option('--force', 'replace files that exist');
  common(kernelFlags(measuringFlags(imageFlags(command)), false), [
    'kappa sweep model.onnx --calib calib.npz --eval test.npz',
    'kappa sweep model.onnx --calib calib.npz --eval test.npz --bits 2.5,3.1,4.1 --json > frontier.json',
    'kappa sweep model.onnx --calib calib.npz --eval test.npz --report frontier.html',
  ]).action((model: string, flags: Flags) => withContext(flags, (context) => run(context, model, flags)));
}

async function run(context: Context, path: string, flags: Flags): Promise<void> {
  const pageOut = pageOutput(flags);
  await checkOutputs(pageOut, [path, flags.calib, flags.eval]);
  const bytes = await readInput(path, 'model');
  const model = readModel(bytes, path);
  const [calibration, evaluation] = await openData(context, [flags.calib, flags.eval], model, flags);
  const found = await sweep(await context.kernels(), bytes, {
    name: path,
    external: externalFiles(path),
    calibration,
    evaluation,
    bits: flags.bits,
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
    { role: 'held-out data', path: flags.eval },
  ]);
  await writePage(pageOut, (pages) => pages.sweepHtml({ report, command: commandLine(), made }));
  await context.result({ ...report, ...(made && { made }) }, () => sweepText(report, context.report));
}
