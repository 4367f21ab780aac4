import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { KappaError, UsageError } from '../../errors.ts';
import { demonstrate, demonstrationFolder, openDataset } from '../../node.ts';
import { demoText } from '../../report/demo.ts';
import { formatSeconds, printable } from '../../report/text.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { readInput } from '../files.ts';
import { common, type KernelFlags, kernelFlags, oneOf, whole } from '../flags.ts';
import { checkOutputs, writeAll } from '../outputs.ts';

interface Flags extends CommonFlags, KernelFlags {
  readonly models?: string;
  readonly output?: string;
  readonly force?: boolean;
  readonly seeds?: number;
}

const MODELS = ['mnist-mlp.onnx', 'mnist-mlp-seed1.onnx', 'mnist-mlp-seed2.onnx'];
const BITS = [8, 6, 4, 3];

export function addDemo(program: Command): void {
  const command = program
    .command('demo')
    .summary('a demonstration on trained models that come with the source')
    .description(
      'The table of the seed document, measured: a network trained on MNIST, uniform widths against guided ones within the same bytes, on 10,000 test images. Needs the folder models/ of a checkout.',
    )
    .argument('<name>', 'mnist', oneOf('demo', ['mnist']))
    .option('--models <folder>', 'folder of the models and their data (default: models/ of this checkout)')
    .option('--seeds <n>', 'training seeds, 1 to 3 (default: 3)', whole('--seeds', 1, MODELS.length))
    .option('-o, --output <folder>', 'write the quantized files there')
    .option('--force', 'replace files that exist');
  common(kernelFlags(command, false), [
    'kappa demo mnist',
    'kappa demo mnist --seeds 1 --json',
    'kappa demo mnist -o quantized',
  ]).action((_name: string, flags: Flags) => withContext(flags, (context) => run(context, flags)));
}

async function run(context: Context, flags: Flags): Promise<void> {
  const names = MODELS.slice(0, flags.seeds ?? MODELS.length);
  const planned = await plannedFiles(names, flags);
  const folder = flags.models ?? demonstrationFolder();
  const hidden = flags.models === undefined;
  const find = async <T>(name: string, read: (path: string) => Promise<T>): Promise<T> => {
    try {
      return await read(join(folder, name));
    } catch (error) {
      // the folder of this installation is nothing the user typed
      if (hidden && error instanceof KappaError)
        throw new UsageError(
          `demo: models/${name} is not beside this installation; give the folder of a checkout's models with --models`,
          { cause: error },
        );
      throw error;
    }
  };
  const models: { name: string; bytes: Uint8Array }[] = [];
  for (const name of names) models.push({ name, bytes: await find(name, (path) => readInput(path, 'model')) });
  const { report, files } = await demonstrate(
    await context.kernels(),
    {
      models,
      calibration: await find('mnist-calib.npz', openDataset),
      evaluation: await find('mnist-eval.npz', openDataset),
    },
    { bits: BITS, progress: context.progress, signal: context.signal },
  );
  context.check();
  if (flags.output !== undefined) {
    await mkdir(flags.output, { recursive: true }).catch((cause: Error) => {
      throw new UsageError(`--output '${printable(flags.output ?? '')}': the folder cannot be made`, { cause });
    });
    await writeAll(planned.map((p) => ({ ...p, data: files.get(p.name)! })));
  }
  await context.result(report, () => demoText(report, context.report));
  context.note(`measured in ${formatSeconds(report.seconds)}`);
}

/** The files of -o, checked before the work where their folder exists. */
async function plannedFiles(names: readonly string[], { output, force = false }: Flags) {
  if (output === undefined) return [];
  const planned = names.flatMap((name) =>
    BITS.flatMap((b) =>
      ['uniform', 'guided'].map((kind) => {
        const file = `${name.replace(/\.onnx$/, '')}-${kind}-${b}b.onnx`;
        return { flag: '--output', path: join(output, file), force, name: file };
      }),
    ),
  );
  // a folder that is not there yet holds nothing that could be in the way
  const there = await stat(output).catch(() => undefined);
  if (there && !there.isDirectory()) throw new UsageError(`--output '${printable(output)}': expected a folder`);
  if (there) await checkOutputs(planned, []);
  return planned;
}
