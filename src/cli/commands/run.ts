import { basename } from 'node:path';
import type { Command } from 'commander';
import { readModelFile, readNpz, runModel, writeNpz } from '../../node.ts';
import { runText } from '../../report/run.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { readInput } from '../files.ts';
import { BATCH_FLAG, common, parseBatch } from '../flags.ts';
import { checkOutputs, writeAll } from '../outputs.ts';

interface Flags extends CommonFlags {
  readonly inputs: string;
  readonly output: string;
  readonly force?: boolean;
  readonly batch?: number;
}

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .summary('run a model on an .npz, write its outputs to another')
    .description(
      "Runs a model. The .npz holds one array under each input's name; the outputs are written under theirs.",
    )
    .argument('<model>', 'ONNX file')
    .requiredOption('--inputs <file>', 'the .npz to read')
    .requiredOption('-o, --output <file>', 'the .npz to write')
    .option('--force', 'replace the output where it exists')
    .option(
      BATCH_FLAG,
      'cut the first axis of every input into pieces of that size (default: run as it is)',
      parseBatch,
    );
  common(command, [
    'kappa run model.onnx --inputs in.npz -o out.npz',
    'kappa run model.onnx --inputs test.npz -o out.npz --batch 64 --force',
  ]).action((model: string, flags: Flags) => withContext(flags, (context) => run(context, model, flags)));
}

async function run(context: Context, path: string, flags: Flags): Promise<void> {
  const output = { flag: '--output', path: flags.output, force: flags.force ?? false };
  await checkOutputs([output], [path, flags.inputs]);
  const model = await readModelFile(path);
  const arrays = readNpz(await readInput(flags.inputs, 'data'), flags.inputs);
  const made = await runModel(await context.kernels(), model, arrays, {
    batch: flags.batch,
    progress: context.progress,
  });
  // the work may have been one step, during which Ctrl-C could not be heard
  await new Promise((resolve) => setTimeout(resolve, 0));
  context.check();
  await writeAll([{ ...output, data: writeNpz(made) }]);
  const outputs = [...made].map(([name, { dtype, dims }]) => ({ name, type: dtype, dims }));
  const report = { file: basename(flags.output), outputs };
  await context.result(report, () => runText(report));
}
