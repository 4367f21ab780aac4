// Writes the parts of the documentation that follow from something else: the flags in docs/command-line.md from the commands' own
// options, the figures in docs/formats.md from the last run of `npm run bench:files`, and docs/api/ from the doc comments.
// `npm run docs` does all; `node --import tsx scripts/docs.ts tables` leaves docs/api/ as it is.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command, Option } from 'commander';
import { makeProgram } from '../src/cli/program.ts';
import { writePages } from './api/pages.ts';

/** The command line's page, from the root. */
export const COMMAND_LINE = 'docs/command-line.md';

/** The page of formats, and what its figures come from. */
export const FORMATS_PAGE = 'docs/formats.md';
export const FILES_RUN = 'bench/results/files.json';

/** A flag that at least so many commands have stands in one table for all of them. */
const SHARED = 3;

const start = (name: string): string => `<!-- ${name}: written by scripts/docs.ts -->`;
const end = (name: string): string => `<!-- end of ${name} -->`;

/**
 * docs/command-line.md with its tables brought up to date: one for the flags that commands share, one for each command.
 * @throws Error where the markers of a table are missing, or are there for a command there is not
 */
export function withFlags(text: string, program: Command = makeProgram()): string {
  const { commands } = program;
  const users = new Map<string, string[]>();
  for (const command of commands)
    for (const option of command.options)
      users.set(keyOf(option), [...(users.get(keyOf(option)) ?? []), command.name()]);
  const isShared = (option: Option) => (users.get(keyOf(option))?.length ?? 0) >= SHARED;
  const shared = new Map(commands.flatMap((c) => c.options.filter(isShared).map((o) => [keyOf(o), o] as const)));
  const headings = [...new Set([undefined, ...[...shared.values()].map((o) => o.helpGroupHeading)])];
  const tables = new Map([
    ...headings.map((heading) => {
      const own = [...shared.values()].filter((o) => o.helpGroupHeading === heading);
      return [`${groupOf(heading) ?? 'shared'} flags`, sharedTable(own, users, commands.length)] as const;
    }),
    ...commands.map((command) => [command.name(), commandTable(command, isShared)] as const),
  ]);
  let written = text;
  for (const [name, table] of tables) written = between(written, name, table, COMMAND_LINE);
  for (const [, name] of written.matchAll(/<!-- (.+): written by scripts\/docs\.ts -->/g))
    if (!tables.has(name!)) throw new Error(`${COMMAND_LINE}: markers of '${name}', which is no command`);
  return written;
}

/** A text with what stands between two markers replaced. @throws Error where they are missing */
function between(text: string, name: string, content: string, page: string): string {
  const [from, to] = [text.indexOf(start(name)), text.indexOf(end(name))];
  if (from < 0 || to < from) throw new Error(`${page}: expected the markers '${start(name)}' and '${end(name)}'`);
  return `${text.slice(0, from)}${start(name)}\n\n${content}\n\n${text.slice(to)}`;
}

/** What of a run of `npm run bench:files` the page of formats shows. */
export interface FilesRun {
  readonly files: readonly {
    readonly setting: string;
    readonly overhead: number;
    readonly runtimes: readonly {
      readonly runtime: string;
      readonly load: number | null;
      readonly speed: Readonly<Record<string, number>> | null;
    }[];
  }[];
}

/** Settings of the run whose files are all of one format, and what the page calls them. */
const SHOWN: Readonly<Record<string, string>> = {
  'any, 4.1 bits': '`dense`',
  'qdq, 4.1 bits': '`qdq` where it can',
  'nbits, 4.1 bits': '`nbits` where it can',
  'web, W8A8': '`integer`, 8-bit weights',
  'web, W4A8': '`integer`, 4-bit weights',
};

/** docs/formats.md with its figures brought up to date: medians over the models, the least and the most in brackets. */
export function withFigures(text: string, { files }: FilesRun): string {
  const rows = Object.entries(SHOWN).flatMap(([setting, name]) => {
    const own = files.filter((f) => f.setting === setting);
    if (own.length === 0) return [];
    const of = (
      runtime: string,
      pick: (r: FilesRun['files'][number]['runtimes'][number]) => number | null | undefined,
    ) =>
      spread(
        own.flatMap((f) => {
          const value = f.runtimes.filter((r) => r.runtime === runtime).map(pick)[0];
          return value === null || value === undefined ? [] : [value];
        }),
      );
    const overhead = spread(
      own.map((f) => 100 * f.overhead),
      ' %',
    );
    const figures = ['onnxruntime-web', 'onnxruntime-node'].flatMap((runtime) => [
      of(runtime, (r) => r.load),
      of(runtime, (r) => r.speed?.['1']),
    ]);
    return [row(name, String(own.length), overhead, ...figures)];
  });
  const head = row('format', 'models', 'overhead', 'load, web', 'speed, web', 'load, node', 'speed, node');
  return between(text, 'formats', [head, '|---|---:|---:|---:|---:|---:|---:|', ...rows].join('\n'), FORMATS_PAGE);
}

function spread(values: readonly number[], unit = ''): string {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1]! + sorted[middle]!) / 2;
  if (median === undefined || Number.isNaN(median)) return '-';
  const figure = (v: number) => v.toFixed(2);
  const range = sorted.length > 1 ? ` (${figure(sorted[0]!)} to ${figure(sorted.at(-1)!)})` : '';
  return `${figure(median)}${unit}${range}`;
}

/** Flags are the same where they are written and described alike. */
function keyOf({ flags, description, mandatory }: Option): string {
  return `${flags}\n${description}\n${mandatory}`;
}

function sharedTable(options: readonly Option[], users: ReadonlyMap<string, readonly string[]>, all: number): string {
  const rows = options.map((option) => {
    const own = users.get(keyOf(option))!;
    const needed = own.length === all ? 'all' : own.map((name) => `\`${name}\``).join(', ');
    return row(code(option.flags), described(option), needed);
  });
  return [row('flag', 'what it does', 'commands'), '|---|---|---|', ...rows].join('\n');
}

/** What options under a heading of their own are about: the heading's first word. */
function groupOf(heading: string | undefined): string | undefined {
  return heading && /^\w+/.exec(heading)![0].toLowerCase();
}

function commandTable(command: Command, isShared: (option: Option) => boolean): string {
  const args = command.registeredArguments.map((argument) =>
    row(code(`<${argument.name()}>`), text(argument.description)),
  );
  const own = command.options.filter((o) => !isShared(o));
  const flags = own.map((o) => row(code(o.flags), described(o)));
  const shared = command.options.filter(isShared).map(({ helpGroupHeading, long, flags: words }) => {
    const group = groupOf(helpGroupHeading);
    return group === undefined ? code(long ?? words) : `those of [${group}](#${group})`;
  });
  return [
    code(`kappa ${command.name()} ${command.usage()}`),
    '',
    text(command.description().replaceAll('\n', ' ')),
    ...(args.length + flags.length > 0
      ? ['', row('argument, flag', 'what it does'), '|---|---|', ...args, ...flags]
      : []),
    '',
    `Shared flags: ${[...new Set(shared)].join(', ')}.`,
  ].join('\n');
}

/** What a flag does, whether it must be given, and its default where the text does not say so. */
function described({ description, mandatory, defaultValue }: Option): string {
  const value = Array.isArray(defaultValue) ? defaultValue.join(',') : String(defaultValue);
  const hidden = defaultValue === undefined || typeof defaultValue === 'boolean' || /default/.test(description);
  return `${text(description)}${mandatory ? '; must be given' : ''}${hidden ? '' : ` (default: ${value})`}`;
}

const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const code = (words: string): string => `\`${words.replaceAll('|', '\\|')}\``;
/** Words of the program inside a table: nothing of them is markup. */
const text = (words: string): string => words.replace(/[|*_<>]/g, (c) => `\\${c}`);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const [which = 'all'] = process.argv.slice(2);
  if (!['all', 'tables'].includes(which)) throw new Error(`expected nothing or 'tables', got '${which}'`);
  const replace = (page: string, change: (text: string) => string) =>
    writeFileSync(join(root, page), change(readFileSync(join(root, page), 'utf8')));
  replace(COMMAND_LINE, (text) => withFlags(text));
  replace(FORMATS_PAGE, (text) => withFigures(text, JSON.parse(readFileSync(join(root, FILES_RUN), 'utf8'))));
  if (which === 'all') writePages();
}
