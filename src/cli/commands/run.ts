import { basename } from 'node:path';
import type { Command } from 'commander';
import { readModelFile, readNpz, runModel, writeNpz } from '../../node.ts';
import { runText } from '../../report/run.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { readInput } from '../files.ts';
import { UsageError } from '../../errors.ts';
import { printable } from '../../report/text.ts';
import { BATCH_FLAG, common, each, type KernelFlags, kernelFlags, parseBatch } from '../flags.ts';
import { checkOutputs, writeAll } from '../outputs.ts';

interface Flags extends CommonFlags, KernelFlags {
  readonly inputs: string;
  readonly output: string;
  readonly force?: boolean;
  readonly batch?: number;
  readonly state?: readonly string[];
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
    )
    .option(
      '--state <input=output>',
      'feed an input of each piece from an output of the one before; may be repeated (pieces of one sample unless --batch)',
      each,
    );
  common(kernelFlags(command, true), [
    'kappa run model.onnx --inputs in.npz -o out.npz',
    'kappa run model.onnx --inputs test.npz -o out.npz --batch 64 --force',
    'kappa run vad.onnx --inputs chunks.npz -o out.npz --state state=stateN',
  ]).action((model: string, flags: Flags) => withContext(flags, (context) => run(context, model, flags)));
}

/** An input and the output that feeds it, from 'input=output'. Names may hold further equal signs behind the first. */
function parseState(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1)
    throw new UsageError(`--state: expected an input and an output as in 'h=hn', got '${printable(text)}'`);
  return [text.slice(0, at), text.slice(at + 1)];
}

async function run(context: Context, path: string, flags: Flags): Promise<void> {
  const output = { flag: '--output', path: flags.output, force: flags.force ?? false };
  await checkOutputs([output], [path, flags.inputs]);
  const model = await readModelFile(path);
  const arrays = readNpz(await readInput(flags.inputs, 'data'), flags.inputs);
  const made = await runModel(await context.kernels(), model, arrays, {
    batch: flags.batch,
    state: new Map((flags.state ?? []).map(parseState)),
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
