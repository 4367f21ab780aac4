import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { isImagePath, readModelFile, readNpz, runModel, writeNpz } from '../../node.ts';
import { runText } from '../../report/run.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { openData, refuseImageFlags } from '../data.ts';
import { readInput } from '../files.ts';
import { UsageError } from '../../errors.ts';
import { printable } from '../../report/text.ts';
import {
  BATCH_FLAG,
  common,
  each,
  type ImageFlags,
  imageFlags,
  type KernelFlags,
  kernelFlags,
  parseBatch,
} from '../flags.ts';
import { checkOutputs, writeAll } from '../outputs.ts';
import { breath } from '../../progress.ts';

interface Flags extends CommonFlags, ImageFlags, KernelFlags {
  readonly inputs: string;
  readonly output: string;
  readonly force?: boolean;
  readonly batch?: number;
  readonly state?: readonly string[];
}

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .summary('run a model on an .npz or on images, write its outputs to an .npz')
    .description(
      "Runs a model. An .npz holds one array under each input's name; images are taken in the order of their paths. The outputs are written under theirs.",
    )
    .argument('<model>', 'ONNX file')
    .requiredOption('--inputs <data>', 'the .npz to read, or images: a file, a folder or a .zip of them')
    .requiredOption('-o, --output <file>', 'the .npz to write')
    .option('--force', 'replace the output where it exists')
    .option(
      BATCH_FLAG,
      'cut the first axis of every input into pieces of that size (default: run as it is; images: by 16)',
      parseBatch,
    )
    .option(
      '--state <input=output>',
      'feed an input of each piece from an output of the one before; may be repeated (pieces of one sample unless --batch)',
      each,
    );
  common(kernelFlags(imageFlags(command), true), [
    'kappa run model.onnx --inputs in.npz -o out.npz',
    'kappa run model.onnx --inputs test.npz -o out.npz --batch 64 --force',
    'kappa run vad.onnx --inputs chunks.npz -o out.npz --state state=stateN',
    'kappa run resnet.onnx --inputs cat.jpg -o out.npz --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225',
  ]).action((model: string, flags: Flags) => withContext(flags, (context) => run(context, model, flags)));
}

/** An input and the output that feeds it, from 'input=output'. Names may hold further equal signs behind the first. */
function parseState(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1)
    throw new UsageError(`--state: expected an input and an output as in 'h=hn', got '${printable(text)}'`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Whether a path is that of images: a folder, a .zip, or one image. */
async function holdsImages(path: string): Promise<boolean> {
  if (/\.zip$/i.test(path) || isImagePath(basename(path))) return true;
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function run(context: Context, path: string, flags: Flags): Promise<void> {
  const output = { flag: '--output', path: flags.output, force: flags.force ?? false };
  await checkOutputs([output], [path, flags.inputs]);
  const model = await readModelFile(path);
  const data = (await holdsImages(flags.inputs))
    ? (await openData(context, [flags.inputs], model, flags, true))[0]
    : readNpz(await readInput(flags.inputs, 'data'), flags.inputs);
  if (!('batches' in data)) refuseImageFlags(flags);
  const made = await runModel(await context.kernels(), model, data, {
    batch: flags.batch,
    state: new Map((flags.state ?? []).map(parseState)),
    progress: context.progress,
  });
  // the work may have been one step, during which Ctrl-C could not be heard
  await breath();
  context.check();
  await writeAll([{ ...output, data: writeNpz(made) }]);
  const outputs = [...made].map(([name, { dtype, dims }]) => ({ name, type: dtype, dims }));
  const report = { file: basename(flags.output), outputs };
  await context.result(report, () => runText(report));
}
