import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { KappaError, UsageError } from '../../errors.ts';
import { demonstrate, demonstrateLayers, demonstrationFolder, openDataset } from '../../node.ts';
import { demoText } from '../../report/demo.ts';
import { layerDemoText } from '../../report/demo-layers.ts';
import { formatSeconds, printable } from '../../report/text.ts';
import type { Made } from '../../report/types.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { readInput } from '../files.ts';
import { common, type KernelFlags, kernelFlags, oneOf, whole } from '../flags.ts';
import { checkOutputs, type Planned, writeAll } from '../outputs.ts';
import { madeFor, type MadeFile } from '../made.ts';
import { commandLine, type Pages, pageOutput, writePage } from '../page.ts';

interface Flags extends CommonFlags, KernelFlags {
  readonly models?: string;
  readonly output?: string;
  readonly report?: string;
  readonly force?: boolean;
  readonly seeds?: number;
}

type Name = 'mnist' | 'resnet' | 'transformer';
const NAMES: readonly Name[] = ['mnist', 'resnet', 'transformer'];

const MNIST = ['mnist-mlp.onnx', 'mnist-mlp-seed1.onnx', 'mnist-mlp-seed2.onnx'];
const MNIST_BITS = [8, 6, 4, 3, 2.5];
/** Of the deep networks: the model, its data, the samples calibrated on and the held-out ones. */
const DEEP = {
  resnet: { model: 'resnet18-fashion.onnx', data: 'fashion', samples: 512, evaluation: 2000 },
  transformer: { model: 'transformer-text.onnx', data: 'text', samples: 64, evaluation: 64 },
} as const;
const DEEP_BUDGETS = [6.1, 4.1];

export function addDemo(program: Command): void {
  const command = program
    .command('demo')
    .summary('the three demonstrations, on trained models that come with the source')
    .description(
      "The seed document's demonstrations, measured: mnist (its table: uniform widths against guided ones within the same bytes, on 10,000 test images), resnet (a ResNet-18, curvature and bits by depth), transformer (attention against FFN). Needs the folder models/ of a checkout.",
    )
    .argument('<name>', NAMES.join(', '), oneOf('demo', NAMES))
    .option('--models <folder>', 'folder of the models and their data (default: models/ of this checkout)')
    .option('--seeds <n>', 'mnist: training seeds, 1 to 3 (default: 3)', whole('--seeds', 1, MNIST.length))
    .option('-o, --output <folder>', 'write the quantized files there')
    .option('--report <file>', 'write the tables as a page: one HTML file that needs nothing else')
    .option('--force', 'replace files that exist');
  common(kernelFlags(command, false), [
    'kappa demo mnist',
    'kappa demo resnet --report resnet.html',
    'kappa demo transformer --json',
    'kappa demo mnist --seeds 1 -o quantized',
  ]).action((name: Name, flags: Flags) => withContext(flags, (context) => run(context, name, flags)));
}

async function run(context: Context, name: Name, flags: Flags): Promise<void> {
  if (name !== 'mnist' && flags.seeds !== undefined)
    throw new UsageError(`--seeds: has no effect on demo ${name}, which has one model`);
  const models = name === 'mnist' ? MNIST.slice(0, flags.seeds ?? MNIST.length) : [DEEP[name].model];
  const planned = await plannedFiles(models, name === 'mnist' ? MNIST_BITS : DEEP_BUDGETS, flags);
  const page = pageOutput(flags);
  await checkOutputs(page, []);
  const found = name === 'mnist' ? await mnist(context, models, flags) : await deep(context, name, flags);
  context.check();
  if (flags.output !== undefined) {
    await mkdir(flags.output, { recursive: true }).catch((cause: Error) => {
      throw new UsageError(`--output '${printable(flags.output ?? '')}': the folder cannot be made`, { cause });
    });
    await writeAll(planned.map((p) => ({ ...p, data: found.files.get(p.name)! })));
  }
  const made = await madeFor(page, found.made);
  await writePage(page, (pages) => found.page(pages, made));
  await context.result({ ...found.report, ...(made && { made }) }, found.text);
  context.note(`measured in ${formatSeconds(found.report.seconds)}`);
}

/** What a demonstration gives, whichever it is. */
interface Found {
  readonly report: { readonly seconds: number };
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly text: () => string;
  readonly made: readonly MadeFile[];
  readonly page: (pages: Pages, made: Made | undefined) => string;
}

async function mnist(context: Context, names: readonly string[], flags: Flags): Promise<Found> {
  const find = finder(flags);
  const models: { name: string; bytes: Uint8Array }[] = [];
  for (const name of names) models.push({ name, bytes: await find(name, (path) => readInput(path, 'model')) });
  const { report, files } = await demonstrate(
    await context.kernels(),
    {
      models,
      calibration: await find('mnist-calib.npz', openDataset),
      evaluation: await find('mnist-eval.npz', openDataset),
    },
    { bits: MNIST_BITS, progress: context.progress, signal: context.signal },
  );
  return {
    report,
    files,
    text: () => demoText(report, context.report),
    made: [
      ...names.map((name) => ({ role: 'model', path: find.path(name) }) as const),
      { role: 'calibration data', path: find.path('mnist-calib.npz') },
      { role: 'held-out data', path: find.path('mnist-eval.npz') },
    ],
    page: (pages, made) => pages.demoHtml({ report, command: commandLine(), made }),
  };
}

async function deep(context: Context, demo: keyof typeof DEEP, flags: Flags): Promise<Found> {
  const { model: name, data, samples, evaluation } = DEEP[demo];
  const find = finder(flags);
  const { report, files } = await demonstrateLayers(
    await context.kernels(),
    {
      demo,
      model: { name, bytes: await find(name, (path) => readInput(path, 'model')) },
      calibration: await find(`${data}-calib.npz`, openDataset),
      evaluation: await find(`${data}-eval.npz`, openDataset),
    },
    {
      budgets: DEEP_BUDGETS,
      samples,
      evaluationSamples: evaluation,
      progress: context.progress,
      signal: context.signal,
    },
  );
  return {
    report,
    files,
    text: () => layerDemoText(report, context.report),
    made: [
      { role: 'model', path: find.path(name) },
      { role: 'calibration data', path: find.path(`${data}-calib.npz`) },
      { role: 'held-out data', path: find.path(`${data}-eval.npz`) },
    ],
    page: (pages, made) => pages.layerDemoHtml({ report, command: commandLine(), made }),
  };
}

interface Finder {
  <T>(name: string, read: (path: string) => Promise<T>): Promise<T>;
  path(name: string): string;
}

/** Reads a file of the demonstrations' folder. */
function finder({ models }: Flags): Finder {
  const folder = models ?? demonstrationFolder();
  const path = (name: string) => join(folder, name);
  const find = async <T>(name: string, read: (path: string) => Promise<T>): Promise<T> => {
    try {
      return await read(path(name));
    } catch (error) {
      // the folder of this installation is nothing the user typed
      if (models === undefined && error instanceof KappaError)
        throw new UsageError(
          `demo: models/${name} is not beside this installation; give the folder of a checkout's models with --models`,
          { cause: error },
        );
      throw error;
    }
  };
  return Object.assign(find, { path });
}

/** The files of -o, checked before the work where their folder exists. */
async function plannedFiles(
  names: readonly string[],
  budgets: readonly number[],
  { output, force = false }: Flags,
): Promise<(Planned & { readonly name: string })[]> {
  if (output === undefined) return [];
  const planned = names.flatMap((name) =>
    budgets.flatMap((b) =>
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
