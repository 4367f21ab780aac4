/** The command: its subcommands, and from arguments to an exit code. */
import { Command } from 'commander';
import { VERSION } from '../node.ts';
import { addAnalyze } from './commands/analyze.ts';
import { addBench } from './commands/bench.ts';
import { addCheck } from './commands/check.ts';
import { addCompare } from './commands/compare.ts';
import { addDemo } from './commands/demo.ts';
import { addEval } from './commands/eval.ts';
import { addInspect } from './commands/inspect.ts';
import { addQuantize } from './commands/quantize.ts';
import { addRun } from './commands/run.ts';
import { describeFailure } from './failure.ts';
import { addSweep } from './commands/sweep.ts';
import { styleFor } from './style.ts';

const EXIT_CODES = `
Exit codes: 0 done, 1 a bug in Kappa, 2 usage, 3 bad model or data, 4 unsupported operator or type,
5 a target was missed, 130 interrupted. Results go to standard output, all else to standard error.
`;

export function makeProgram(): Command {
  const program = new Command('kappa')
    .description('Makes ONNX models small without making them wrong: mixed-precision quantization guided by curvature.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined, outputError: () => undefined })
    .addHelpText('after', `\nkappa <command> --help has each command's flags and examples.\n${EXIT_CODES}`);
  for (const add of [
    addQuantize,
    addAnalyze,
    addSweep,
    addEval,
    addCompare,
    addRun,
    addInspect,
    addCheck,
    addDemo,
    addBench,
  ])
    add(program);
  return program;
}

/** Runs the command with these arguments. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await makeProgram().parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (isDone(error)) return 0;
    const { line, exitCode, stack } = describeFailure(error);
    const style = styleFor(process.stderr, !args.includes('--no-color'));
    process.stderr.write(`${style.bad('error:')} ${line}\n`);
    if (args.includes('--verbose') && stack !== undefined) process.stderr.write(`${stack}\n`);
    return exitCode;
  }
}

/** Help or the version was printed: Commander says so by throwing. */
function isDone(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return (
    code === 'commander.helpDisplayed' ||
    code === 'commander.version' ||
    (code === 'commander.help' && (error as { exitCode?: number }).exitCode === 0)
  );
}
