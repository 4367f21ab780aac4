/** Flags that several commands share: how they are declared, checked and turned into options. */
import { type Command, Option } from 'commander';
import { UsageError } from '../errors.ts';
import {
  type Build,
  DROP_MEASURES,
  type Granularity,
  type LossName,
  MAX_THREADS,
  type MaxDrop,
  metricNames,
} from '../node.ts';
import { printable } from '../report/text.ts';
import { parseNumber, parseSize, parseWidths } from './files.ts';

/** A parser of one name out of a list. */
export function oneOf<T extends string>(flag: string, names: readonly T[]): (text: string) => T {
  return (text) => {
    const found = names.find((name) => name === text);
    if (found === undefined)
      throw new UsageError(`${flag}: expected one of ${names.join(', ')}, got '${printable(text)}'`);
    return found;
  };
}

/** A parser of a whole number within a range. */
export function whole(flag: string, min: number, max: number): (text: string) => number {
  return (text) => parseNumber(text, flag, { min, max, integer: true });
}

/** A parser that gathers every use of a flag. */
export function each(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** 'tensor', 'channel' or the number of weights that share a scale. */
export function parseGranularity(text: string): Granularity {
  if (text === 'tensor' || text === 'channel') return text;
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > 2 ** 31 - 1)
    throw new UsageError(
      `--granularity: expected tensor, channel or a number of weights >= 1, got '${printable(text)}'`,
    );
  return Number(text);
}

/** 'accuracy:0.5%', 'kl:0.005': what may be lost, and how much of it. */
export function parseDrop(text: string): MaxDrop {
  const found = /^([a-z]+):([^%]+)(%?)$/.exec(text.trim());
  const measure = DROP_MEASURES.find((name) => name === found?.[1]);
  if (!found || !measure)
    throw new UsageError(
      `--max-drop: expected a measure and a value, ${DROP_MEASURES.map((m) => `${m}:...`).join(', ')}, got '${printable(text)}'`,
    );
  const percent = found[3] === '%';
  if (percent && measure !== 'accuracy')
    throw new UsageError(`--max-drop: ${measure} is no share, expected a number without %, got '${printable(text)}'`);
  const value = parseNumber(found[2]!, '--max-drop', { min: 0 });
  return { measure, value: percent ? value / 100 : value };
}

/** Flags of every command, and its examples. */
export function common(command: Command, examples: readonly string[]): Command {
  return command
    .option('--json', 'print one JSON document instead of text')
    .option('--quiet', 'print nothing but the result and errors')
    .option('--verbose', 'print stages and their times, long tables whole, and where an error came from')
    .option('--no-color', 'no colours (NO_COLOR does the same)')
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}\n`);
}

export interface KernelFlags {
  readonly build?: Build | 'auto';
  readonly threads?: number;
  readonly maxMemory?: number;
}

/** Less holds no model. */
const LEAST_MEMORY = 2 * 2 ** 20;

function parseMemory(text: string): number {
  const bytes = parseSize(text, '--max-memory');
  if (bytes < LEAST_MEMORY) throw new UsageError(`--max-memory: expected 2MiB or more, got '${printable(text)}'`);
  return bytes;
}

/** How the kernels are run. @param build whether the build may be chosen: not where results are compared with those of other runs */
export function kernelFlags(command: Command, build: boolean): Command {
  command.option(
    '--threads <n>',
    'threads that share the work (default: one a processor, 8 at most); results are the same for any number',
    whole('--threads', 1, MAX_THREADS),
  );
  command.option(
    '--max-memory <size>',
    'most memory for weights and values while the model runs, such as 512MB: weights that do not fit are streamed, results stay the same',
    parseMemory,
  );
  if (build)
    command.option(
      '--build <name>',
      'build of the kernels: plain (default: the same results to the bit on every machine), relaxed (faster, Node 22 and later), auto (the faster one there is)',
      oneOf('--build', ['plain', 'relaxed', 'auto'] as const),
    );
  return command;
}

export interface MeasuringFlags {
  readonly metric?: string;
  readonly widths?: number[];
  readonly loss?: LossName;
  readonly samples?: number;
  readonly batch?: number;
  readonly seed?: number;
}

export interface DataFlags {
  readonly loss?: LossName;
  readonly samples?: number;
  readonly batch?: number;
}

export const BATCH_FLAG = '--batch <n>';
export const parseBatch = whole('--batch', 1, 1 << 20);

/** How many samples, how many at once. */
export function dataFlags(command: Command, loss = true): Command {
  if (loss)
    command.option(
      '--loss <name>',
      'what damage is: kl (class scores), mse (any numbers), auto (default)',
      oneOf('--loss', ['auto', 'kl', 'mse'] as const),
    );
  return command
    .option(
      '--samples <n>',
      'use at most this many samples (of the calibration data, where there is any)',
      whole('--samples', 1, 2 ** 31 - 1),
    )
    .option(BATCH_FLAG, 'samples run at once (default: chosen from the size of the model)', parseBatch);
}

/** How sensitivity is measured. */
export function measuringFlags(command: Command): Command {
  command
    .option('--widths <list>', "bit widths to choose from: '2-8' (default), '2,4,8', 'hardware' (4, 8, 16)", (text) =>
      parseWidths(text),
    )
    .addOption(
      new Option(
        '--metric <name>',
        `how sensitive a layer is: ${metricNames().join(', ')} (default: kl with --calib, spectral without)`,
      ).argParser(oneOf('--metric', metricNames())),
    );
  return dataFlags(command).option(
    '--seed <n>',
    'seed of everything random (default: 0)',
    whole('--seed', 0, 2 ** 32 - 1),
  );
}
