import { basename } from 'node:path';
import type { Command } from 'commander';
import { externalFiles, inspectModel } from '../../node.ts';
import { inspectText } from '../../report/inspect.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { readInput } from '../files.ts';
import { common } from '../flags.ts';

export function addInspect(program: Command): void {
  const command = program
    .command('inspect')
    .summary('inputs, outputs, operators and whether each is supported, weights')
    .description('Says what a model file holds and whether every operator in it is supported. Runs nothing.')
    .argument('<model>', 'ONNX file');
  common(command, ['kappa inspect model.onnx', 'kappa inspect model.onnx --json']).action(
    (model: string, flags: CommonFlags) => withContext(flags, (context) => run(context, model)),
  );
}

async function run(context: Context, path: string): Promise<void> {
  const report = {
    ...inspectModel(await readInput(path, 'model'), path, { external: externalFiles(path) }),
    name: basename(path),
  };
  await context.result(report, () => inspectText(report, context.report));
}
