import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { TargetError, UsageError } from '../../errors.ts';
import { type BenchReport, type Build, BUILDS, benchText, objections } from '../../report/bench.ts';
import { printable } from '../../report/text.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { common, each, oneOf } from '../flags.ts';

interface Flags extends CommonFlags {
  readonly filter?: readonly string[];
  readonly build?: Build;
  readonly quick?: boolean;
  readonly assert?: boolean;
}

/** What the module beside the command gives: the measuring, which only this command needs. */
interface BenchModule {
  bench(options: {
    readonly filter: readonly string[];
    readonly builds: readonly Build[];
    readonly quick: boolean;
    readonly signal: AbortSignal;
    readonly says: (line: string) => void;
    readonly progress: (done: number, total: number) => void;
  }): Promise<BenchReport>;
}

export function addBench(program: Command): void {
  const command = program
    .command('bench')
    .summary('measure the kernels against other engines')
    .description(
      'Measures kernels, whole models and the whole job against the engines people use, interleaved with them, and prints ratios of speed: above 1 Kappa wins. The engines are packages: onnxruntime-web, onnxruntime-node, @tensorflow/tfjs-core and @tensorflow/tfjs-backend-wasm, ml-matrix. In a checkout they are installed into bench/ when missing; elsewhere those found in the current folder are used, and rows without their engine say so.',
    )
    .option('--filter <text>', 'only cases with this in their name; may be given several times', each)
    .option('--build <name>', `only this build of the kernels: ${BUILDS.join(', ')}`, oneOf('--build', BUILDS))
    .option('--quick', 'shorter rounds')
    .option('--assert', 'exit code 5 where a ratio is below its goal, less the tolerance, or was not measured');
  common(command, [
    'kappa bench --filter gemm --filter conv',
    'kappa bench --build relaxed --quick --json',
    'kappa bench --assert',
  ]).action((flags: Flags) => withContext(flags, (context) => run(context, flags)));
}

async function run(context: Context, flags: Flags): Promise<void> {
  const { bench } = await benchModule();
  const report = await bench({
    filter: flags.filter ?? [],
    builds: flags.build === undefined ? BUILDS : [flags.build],
    quick: flags.quick ?? false,
    signal: context.signal,
    says: (line) => context.detail(line),
    progress: (done, total) => context.progress('measuring', done, total),
  });
  if (report.cases.length === 0)
    throw new UsageError(`--filter ${(flags.filter ?? []).map(printable).join(', ')}: no case has that in its name`);
  await context.result(report, () => benchText(report, context.report));
  const wrong = flags.assert ? objections(report) : [];
  if (wrong.length > 0)
    throw new TargetError(`${wrong.length} of ${report.cases.length} ratios fall short: ${wrong.join('; ')}`);
}

/** bench.js beside the command in the package; run from a checkout's sources, the module there. */
async function benchModule(): Promise<BenchModule> {
  const place = ['./bench.js', '../../../bench/speed/index.ts']
    .map((path) => new URL(path, import.meta.url))
    .find((url) => existsSync(url));
  if (place === undefined) throw new Error('bench.js is missing beside the command: run `npm run build`');
  return (await import(place.href)) as BenchModule;
}
