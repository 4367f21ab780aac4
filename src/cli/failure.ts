/** Failures as one line and an exit code. */
import { CommanderError } from 'commander';
import { KappaError, UsageError } from '../errors.ts';
import { printable } from '../report/text.ts';

/** Exit code of a failure that is no one's mistake but ours. */
const BUG = 1;

export interface Failure {
  /** One line without control characters, without a line break. */
  readonly line: string;
  readonly exitCode: number;
  /** Where it happened, for --verbose. */
  readonly stack: string | undefined;
}

const oneLine = (text: string): string => printable(text.replace(/\s*[\r\n]+\s*/g, ' ')).trim();

/** What to print and to exit with for anything thrown. */
export function describeFailure(error: unknown): Failure {
  const known = error instanceof CommanderError ? usageOf(error) : error;
  if (known instanceof KappaError)
    return { line: oneLine(known.message), exitCode: known.exitCode, stack: known.stack };
  const message = known instanceof Error ? `${known.name}: ${known.message}` : String(known);
  return {
    line: oneLine(`internal error, please report it (--verbose shows where): ${message}`),
    exitCode: BUG,
    stack: known instanceof Error ? known.stack : undefined,
  };
}

/** Commander's refusals in this program's words: "error: ...\n(Did you mean --bits?)". */
function usageOf(error: CommanderError): UsageError {
  if (error.code === 'commander.help') return new UsageError('expected a command; kappa --help lists them');
  const [first = '', ...rest] = error.message.split('\n');
  const text = first
    .replace(/^error: /, '')
    .replace(/^unknown option/, 'unknown flag')
    .replace(/^option /, '');
  const hint = /^\(Did you mean (.*)\?\)$/.exec(rest.join(' '))?.[1];
  const more = hint
    ? `; did you mean ${hint}?`
    : error.code === 'commander.unknownOption'
      ? '; --help lists the flags'
      : '';
  return new UsageError(text.replace(/\.$/, '') + more, { cause: error });
}
