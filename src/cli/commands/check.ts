import type { Command } from 'commander';
import { TargetError } from '../../errors.ts';
import { type CheckCase, caseFolders, checkCase, readCase } from '../../node.ts';
import { checkText } from '../../report/check.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { parseNumber } from '../files.ts';
import { common, type KernelFlags, kernelFlags } from '../flags.ts';

interface Flags extends CommonFlags, KernelFlags {
  readonly rtol: number;
  readonly atol: number;
}

export function addCheck(program: Command): void {
  const command = program
    .command('check')
    .summary('run ONNX test cases and compare the outputs')
    .description(
      'Runs ONNX test-case folders (model.onnx and test_data_set_N/input_I.pb, output_I.pb) and compares every output with the one expected. A folder may be a case or hold cases. Exit code 5 if any case fails; a case with operators or types that Kappa does not run is unsupported, not failed.',
    )
    .argument('<dir...>', 'case folders, or folders of case folders')
    .option(
      '--rtol <number>',
      'tolerance relative to the expected element',
      (text) => parseNumber(text, '--rtol', { min: 0 }),
      1e-3,
    )
    .option('--atol <number>', 'absolute tolerance', (text) => parseNumber(text, '--atol', { min: 0 }), 1e-7);
  common(kernelFlags(command, true), [
    'kappa check onnx/backend/test/data/node',
    'kappa check case_a case_b --rtol 1e-5 --json',
  ]).action((paths: string[], flags: Flags) => withContext(flags, (context) => run(context, paths, flags)));
}

async function run(context: Context, paths: readonly string[], { rtol, atol }: Flags): Promise<void> {
  const folders = await caseFolders(paths);
  const wasm = await context.kernels();
  const cases: CheckCase[] = [];
  for (const [i, folder] of folders.entries()) {
    context.progress('checking cases', i, folders.length);
    cases.push(checkCase(wasm, await readCase(folder), { rtol, atol }));
  }
  const count = (status: CheckCase['status']) => cases.filter((c) => c.status === status).length;
  const report = { cases, passed: count('passed'), failed: count('failed'), unsupported: count('unsupported') };
  await context.result(report, () => checkText(report, context.report));
  if (report.failed > 0) throw new TargetError(`${report.failed} of ${cases.length} cases failed`);
}
