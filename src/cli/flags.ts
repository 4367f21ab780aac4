/** Flags that several commands share: how they are declared, checked and turned into options. */
import { type Command, Option } from 'commander';
import { UsageError } from '../errors.ts';
import {
  type Build,
  DROP_MEASURES,
  type Granularity,
  IMAGE_FITS,
  IMAGE_LAYOUTS,
  IMAGE_ORDERS,
  type ImageFit,
  type ImageLayout,
  type ImageOptions,
  type ImageOrder,
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

/** What a flag for data takes. */
export const DATA =
  'an .npz, a folder with one file or test_data_set folder a sample, or images: a folder or .zip of them';

export interface ImageFlags {
  readonly imageSize?: ImageOptions['size'];
  readonly imageLayout?: ImageLayout;
  readonly imageFit?: ImageFit;
  readonly imageCrop?: number;
  readonly imageOrder?: ImageOrder;
  readonly imageRange?: 1 | 255;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

/** '224' or '320x240'. */
export function parseImageSize(text: string): { width: number; height: number } {
  const [width, height = width] = text.trim().split(/x/i);
  if (!/^\d+(?:x\d+)?$/i.test(text.trim()))
    throw new UsageError(
      `--image-size: expected pixels as in 224 or 320x240 (width x height), got '${printable(text)}'`,
    );
  const side = (of: string): number => parseNumber(of, '--image-size', { min: 1, max: 16384, integer: true });
  return { width: side(width!), height: side(height!) };
}

/** '0.5' or '0.485,0.456,0.406'. */
export function parsePlanes(text: string, flag: string, min: number): number[] {
  const list = text.split(',');
  if (list.length !== 1 && list.length !== 3)
    throw new UsageError(`${flag}: expected one number or three between commas, got '${printable(text)}'`);
  return list.map((part) => parseNumber(part, flag, { min, max: 1e6 }));
}

/** How images become inputs. */
export function imageFlags(command: Command): Command {
  const heading = 'Images (PNG and JPEG; classes are folders, or labels.csv or labels.txt beside the images):';
  const add = (flag: string, text: string, parse: (text: string) => unknown) =>
    command.addOption(new Option(flag, text).argParser(parse).helpGroup(heading));
  add('--image-size <n|wxh>', "width and height in pixels (default: the model's, where it has one)", parseImageSize);
  add(
    '--image-layout <layout>',
    `where the channels are: ${IMAGE_LAYOUTS.join(', ')} (default: where the model's input has 1 or 3)`,
    oneOf('--image-layout', IMAGE_LAYOUTS),
  );
  add(
    '--image-fit <how>',
    'crop (default): the shorter side made to fit, the middle kept; stretch: both sides; pad: the longer side, black around it',
    oneOf('--image-fit', IMAGE_FITS),
  );
  add('--image-crop <share>', 'share of the shorter side that is kept, as 0.875 for 224 of 256 (default: 1)', (text) =>
    parseNumber(text, '--image-crop', { min: 0.01, max: 1 }),
  );
  add(
    '--image-order <order>',
    `which channel comes first: ${IMAGE_ORDERS.join(' (default), ')}`,
    oneOf('--image-order', IMAGE_ORDERS),
  );
  add('--image-range <top>', 'where values end, that begin at 0, before --mean and --std: 1 (default) or 255', (text) =>
    Number(oneOf('--image-range', ['1', '255'] as const)(text)),
  );
  add(
    '--mean <list>',
    "subtracted from the values of --image-range: one number, or one a channel in the model's order (default: 0)",
    (t) => parsePlanes(t, '--mean', -1e6),
  );
  add(
    '--std <list>',
    "what values are divided by then: one number, or one a channel in the model's order (default: 1)",
    (t) => parsePlanes(t, '--std', 1e-6),
  );
  return command;
}

/** The flags as options. @param sorted whether samples keep the order of their paths */
export function imageOptions(flags: ImageFlags, sorted = false): ImageOptions {
  return {
    size: flags.imageSize,
    layout: flags.imageLayout,
    fit: flags.imageFit,
    crop: flags.imageCrop,
    order: flags.imageOrder,
    range: flags.imageRange,
    mean: flags.mean,
    std: flags.std,
    sorted,
  };
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
