import { basename, dirname, join } from 'node:path';
import type { Command } from 'commander';
import { DataError, UsageError } from '../../errors.ts';
import {
  type ActivationWidths,
  DEFAULT_ROUNDING,
  FORCED,
  FORMATS,
  findLayers,
  prepareModel,
  type Granularity,
  type MaxDrop,
  type Model,
  objectiveNames,
  type Plan,
  parsePlan,
  type External,
  externalFiles,
  externalLocations,
  externalPath,
  quantize,
  RANGE_METHODS,
  runtimesFor,
  type RangeMethod,
  RESTS,
  type Rest,
  ROUNDINGS,
  readModel,
  modelPath,
  type StrategyName,
  type Target,
  TARGETS,
  strategyNames,
  type Unit,
  UNITS,
  type VerificationReport,
} from '../../node.ts';
import { quantizeText } from '../../report/quantize.ts';
import { formatBytes, formatSeconds, printable } from '../../report/text.ts';
import { type Cached, cacheKey, cacheText, checkpointIn, keptFile, keptPath, readCache, readKept } from '../cache.ts';
import { type CommonFlags, type Context, withContext } from '../context.ts';
import { openData } from '../data.ts';
import { parseNumber, parseSize, readInput } from '../files.ts';
import {
  common,
  DATA,
  each,
  type ImageFlags,
  imageFlags,
  type KernelFlags,
  kernelFlags,
  type MeasuringFlags,
  measuringFlags,
  oneOf,
  parseDrop,
  parseGranularity,
  whole,
} from '../flags.ts';
import { checkOutputs, type Planned, writeAll } from '../outputs.ts';
import { madeFor } from '../made.ts';
import { commandLine, pageOutput, writePage } from '../page.ts';
import { parseExclusions, parsePins, parseTies } from '../patterns.ts';
import { runtimesToRun, verify } from '../verify.ts';

interface Flags extends CommonFlags, ImageFlags, KernelFlags, MeasuringFlags {
  readonly bits?: number;
  readonly budget?: { readonly bytes: number; readonly text: string };
  readonly maxDrop?: MaxDrop;
  readonly maxError?: number;
  readonly unit?: Unit;
  readonly calib?: string;
  readonly tune?: number;
  readonly dataFree?: boolean;
  readonly equalize?: boolean;
  readonly eval?: string;
  readonly output?: string;
  readonly force?: boolean;
  readonly plan?: string;
  readonly savePlan?: string;
  readonly report?: string;
  readonly cache?: string;
  readonly cacheSize?: number;
  readonly ranks?: boolean;
  readonly strategy?: StrategyName;
  readonly objective?: string;
  readonly rounding?: string;
  readonly granularity?: Granularity;
  readonly pin?: string[];
  readonly exclude?: string[];
  readonly tie?: string[];
  readonly format?: string;
  readonly target?: Target;
  readonly rest?: Rest;
  readonly verify?: boolean;
  readonly activations?: (typeof ACTIVATIONS)[number];
  readonly activationRange?: RangeMethod;
}

const ACTIVATIONS = ['none', '8', '16', 'auto'] as const;

/** Most that is kept beside a cache. */
const LARGEST_KEPT = 2 ** 30;
/** Largest plan that is read. */
const PLAN_LIMIT = 256 * 2 ** 20;

export function addQuantize(program: Command): void {
  const command = program
    .command('quantize')
    .summary('make a model smaller')
    .description(
      'Makes an ONNX model smaller: chooses a bit width for every layer, or every row of it, under a budget and writes a standard ONNX file.\nGive a budget (--bits or --budget), a limit (--max-drop or --max-error) or a plan (--plan).',
    )
    .argument('<model>', 'ONNX file')
    .option('--bits <b>', 'budget: average bits a weight, scales counted', (t) =>
      parseNumber(t, '--bits', { min: 0.01, max: 32 }),
    )
    .option('--budget <size>', "budget: size of the written file, such as '1.2MB'", (text) => ({
      bytes: parseSize(text, '--budget'),
      text,
    }))
    .option(
      '--max-drop <measure:value>',
      "the smallest file that loses no more on the --eval data: 'accuracy:0.5%', 'kl:0.005' (nats), 'loss:0.01' (nats of cross-entropy), 'error:1e-4' (relative squared)",
      parseDrop,
    )
    .option(
      '--max-error <eps>',
      'the fewest bytes whose proved bound on the l2 error of the outputs (Theorem 3.4) is at most this',
      (t) => parseNumber(t, '--max-error', { min: Number.MIN_VALUE }),
    )
    .option('--calib <data>', `calibration data: ${DATA}`)
    .option('--data-free', 'without data: calibrate on inputs drawn by seed; every damage is a proxy then')
    .option(
      '--tune <steps>',
      "then train weights, scales and biases towards the original's own outputs, that many steps: no labels needed (default: 0)",
      whole('--tune', 0, 1_000_000),
    )
    .option('--eval <data>', 'held-out data: the written file is run on it beside the original')
    .option('-o, --output <file>', 'file to write (default: beside the model, MODEL-4.1b.onnx for --bits 4.1)')
    .option('--force', 'replace files that exist')
    .option('--plan <file>', 'apply this plan as it is')
    .option('--save-plan <file>', 'write the plan as JSON')
    .option('--report <file>', 'write the report as a page: one HTML file that needs nothing else')
    .option('--cache <file>', 'keep what was measured here, and use it where model, data and settings are the same')
    .option(
      '--cache-size <size>',
      'most that is kept beside the cache, in CACHE.data, so that a second budget takes a fraction of the time (default: 256MiB; 0: nothing)',
      parseCacheSize,
    )
    .option('--ranks', 'measure every metric, and say how well each ranks the layers');
  measuringFlags(imageFlags(command))
    .option(
      '--strategy <name>',
      `how widths are chosen: ${strategyNames().join(', ')} (default: best)`,
      oneOf('--strategy', strategyNames()),
    )
    .option(
      '--objective <name>',
      `what a plan is judged by: ${objectiveNames().join(', ')} (default: sum)`,
      oneOf('--objective', objectiveNames()),
    )
    .option(
      '--unit <unit>',
      'what has a width of its own: layer, rows (every output channel), or auto (default): what does less damage',
      oneOf('--unit', UNITS),
    )
    .option(
      '--rounding <name>',
      `how codes are chosen: ${Object.keys(ROUNDINGS).join(', ')} (default: ${DEFAULT_ROUNDING.rounding})`,
      oneOf('--rounding', Object.keys(ROUNDINGS)),
    )
    .option(
      '--granularity <g>',
      'one scale a tensor, a channel (default), or a block of that many weights',
      parseGranularity,
    )
    .option('--equalize', 'even out ranges between layers first: for one scale a tensor')
    .option('--pin <name=bits>', 'give a layer that width (32: float); * and ? match; may be repeated', each)
    .option('--exclude <name>', 'leave a layer in float; * and ? match; may be repeated', each)
    .option('--tie <names>', 'layers, between commas, that share a width; * and ? match; may be repeated', each)
    .option(
      '--target <name>',
      `who is to run the file, which decides every layer's format: ${TARGETS.join(', ')} (default: any)`,
      oneOf('--target', TARGETS),
    )
    .option(
      '--format <name>',
      `one format for every layer that it can hold: ${FORCED.join(', ')} (default: the target's)`,
      oneOf('--format', FORCED),
    )
    .option(
      '--rest <type>',
      'what tensors that are not quantized are stored as: fp32 (default), or fp16 where that loses little',
      oneOf('--rest', RESTS),
    )
    .option(
      '--activations <widths>',
      'round what operators read and make to integers as well: none (default), 8 or 16 bits, or auto: 8 bits where the multiply-adds gained are worth the damage; without data 8 bits are found anew in every run',
      oneOf('--activations', ACTIVATIONS),
    )
    .option(
      '--activation-range <method>',
      `how the ranges of activations are chosen: ${RANGE_METHODS.join(', ')} (default: mse)`,
      oneOf('--activation-range', RANGE_METHODS),
    )
    .option('--verify', 'run the file in the stock runtimes before it is written (default where one is installed)')
    .option('--no-verify', 'write the file without running it in stock runtimes');
  common(kernelFlags(command, false), [
    'kappa quantize model.onnx --bits 4.1 --calib data.npz',
    'kappa quantize model.onnx --budget 1.2MB --calib data.npz --eval test.npz -o small.onnx',
    'kappa quantize model.onnx --max-drop accuracy:0.5% --calib data.npz --eval test.npz -o small.onnx',
    "kappa quantize model.onnx --bits 4 --calib data.npz --pin 'head*=8' --exclude embed --cache model.cache",
    'kappa quantize model.onnx --bits 8 --activations auto --target web --calib data.npz --report report.html',
    'kappa quantize model.onnx --bits 4.1 --calib photos/ --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225',
    'kappa quantize model.onnx --plan plan.json -o small.onnx',
  ]).action((model: string, flags: Flags) => withContext(flags, (context) => run(context, model, flags)));
}

async function run(context: Context, path: string, flags: Flags): Promise<void> {
  checkFlags(flags);
  const force = flags.force ?? false;
  const output: Planned = { flag: '--output', path: flags.output ?? defaultOutput(path, flags), force };
  const planOut: Planned | undefined =
    flags.savePlan === undefined ? undefined : { flag: '--save-plan', path: flags.savePlan, force };
  const pageOut = pageOutput(flags);
  const cacheOut: Planned | undefined =
    flags.cache === undefined ? undefined : { flag: '--cache', path: flags.cache, force: true };
  const keptOut: Planned | undefined =
    flags.cache === undefined || flags.cacheSize === 0
      ? undefined
      : { flag: '--cache', path: keptPath(flags.cache), force: true };
  const inputs = [path, flags.calib, flags.eval, flags.plan].filter((p) => p !== undefined);
  // Written for a model of more than 2 GiB alone, refused early where it is there.
  const dataOut: Planned = { flag: '--output', path: `${output.path}.data`, force };
  await checkOutputs(
    [
      output,
      dataOut,
      ...(planOut ? [planOut] : []),
      ...pageOut,
      ...(cacheOut ? [cacheOut] : []),
      ...(keptOut ? [keptOut] : []),
    ],
    inputs,
  );

  const bytes = await readInput(path, 'model');
  const files = new Set<string>();
  const external: External = (location, offset, length) => {
    files.add(location);
    return externalFiles(path)(location, offset, length);
  };
  const model = readModel(bytes, path, { external });
  const plan = flags.plan === undefined ? undefined : await readPlan(flags.plan);
  const choices = namedLayers(model, flags);
  const format = plan ? planFormat(plan) : flags.format;
  const [calibration, evaluation] = await openData(context, [flags.calib, flags.eval], model, flags);
  if (flags.maxDrop && calibration && !evaluation)
    context.note(
      'WARNING: --max-drop without --eval: the drop is kept on the calibration data, which the file is fitted to; expect a larger one elsewhere',
    );
  if (!calibration && !flags.dataFree)
    context.note('no --calib: widths are chosen from the weights alone, and no damage is measured');

  let key = '';
  let cached: Cached | undefined;
  let kept: Uint8Array | undefined;
  if (cacheOut) {
    const { widths, metric, loss, samples, batch, seed, granularity, rounding, target } = flags;
    const integers = { ...((flags.activations ?? 'none') === 'none' ? {} : { activations: 1 }) };
    const drawn = { dataFree: flags.dataFree ? 1 : 0, equalize: flags.equalize ? 1 : 0, ...integers };
    const images = calibration?.preprocessing;
    const settings = {
      widths,
      metric,
      loss,
      samples,
      batch,
      seed,
      granularity,
      rounding,
      format,
      target,
      images,
      ...drawn,
    };
    const outside = [...new Set([...files, ...externalLocations(model)])].sort();
    key = await cacheKey(
      bytes,
      flags.calib,
      settings,
      outside.map((location) => externalPath(path, location)),
    );
    cached = await readCache(cacheOut.path, key);
    context.note(cached.note);
    const beside = keptOut ? await readKept(keptOut.path, key) : {};
    kept = beside.kept;
    if (beside.note !== undefined) context.note(beside.note);
  }
  const runtimes = runtimesToRun(flags.verify, context);
  const wasm = await context.kernels();
  const result = await quantize(wasm, bytes, {
    name: path,
    external: externalFiles(path),
    dataName: basename(dataOut.path),
    bits: flags.bits,
    budgetBytes: flags.budget?.bytes,
    maxDrop: flags.maxDrop,
    maxError: flags.maxError,
    unit: flags.unit,
    plan,
    table: cached?.table,
    gains: cached?.gains,
    kept,
    ranks: flags.ranks,
    checkpoint: cacheOut && !cached?.table ? checkpointIn(cacheOut.path, key, cached?.unfinished) : undefined,
    calibration,
    tune: flags.tune,
    dataFree: flags.dataFree,
    equalize: flags.equalize,
    evaluation,
    pictures: pageOut.length > 0,
    widths: flags.widths,
    metric: flags.metric,
    strategy: flags.strategy,
    objective: flags.objective,
    rounding: flags.rounding,
    granularity: flags.granularity,
    format,
    target: flags.target,
    rest: flags.rest,
    activations: activationsOf(flags),
    activationRange: flags.activationRange,
    loss: flags.loss,
    ...choices,
    samples: flags.samples,
    batch: flags.batch,
    seed: flags.seed,
    progress: context.progress,
    signal: context.signal,
  });
  context.check();
  const keeps = keptOut && !result.keptUsed ? result.kept(flags.cacheSize) : undefined;
  // What was measured is kept whatever becomes of the file.
  await writeAll([
    ...(cacheOut &&
    (result.table.activations !== cached?.table?.activations || !cached?.table || (result.gains && !cached.gains))
      ? [{ ...cacheOut, data: cacheText(key, result.table, result.gains) }]
      : []),
    ...(keptOut && keeps ? [{ ...keptOut, data: keptFile(key, keeps) }] : []),
  ]);
  let verification: VerificationReport | undefined;
  await writeAll(
    [
      { ...output, data: result.bytes },
      ...(result.data ? [{ ...dataOut, data: result.data.pieces() }] : []),
      ...(planOut ? [{ ...planOut, data: `${JSON.stringify(result.plan, null, 2)}\n` }] : []),
    ],
    async ([written, beside]) => {
      if (runtimes.length === 0) return;
      const { data } = result;
      verification = await verify(context, wasm, {
        runtimes,
        required: runtimesFor(result.report.output.target),
        written: { path: written!, data: data ? [{ location: data.location, path: beside! }] : [] },
        original: modelPath(path, model),
        evaluation,
        calibration,
        seed: flags.seed,
      });
    },
  );
  const report = {
    ...result.report,
    model: { ...result.report.model, name: basename(path) },
    output: { ...result.report.output, file: basename(output.path) },
    ...(verification ? { verification } : {}),
  };
  const { pictures } = result;
  const made = await madeFor(pageOut, [
    { role: 'model', path },
    ...externalLocations(model).map(
      (location) => ({ role: 'model data', path: externalPath(path, location) }) as const,
    ),
    { role: 'calibration data', path: flags.calib },
    { role: 'held-out data', path: flags.eval },
    { role: 'plan', path: flags.plan },
    { role: 'written file', path: output.path },
    { role: 'written file', path: result.data && dataOut.path },
  ]);
  if (pictures)
    await writePage(pageOut, (pages) => pages.quantizeHtml({ report, pictures, command: commandLine(), made }));
  const whole = { ...report, ...(pictures && { pictures }), ...(made && { made }) };
  await context.result(whole, () => quantizeText(report, context.report));
  context.note(`wrote ${output.path}: ${formatBytes(result.bytes.length)}, in ${formatSeconds(report.seconds)}`);
}

function activationsOf({ activations }: Flags): ActivationWidths | undefined {
  return activations === '8' ? 8 : activations === '16' ? 16 : activations;
}

/** A size that one file can be read back at; 0 for none. */
function parseCacheSize(text: string): number {
  if (text.trim() === '0') return 0;
  const size = parseSize(text, '--cache-size');
  if (size > LARGEST_KEPT) throw new UsageError(`--cache-size: expected at most 1GiB, got '${printable(text)}'`);
  return size;
}

/** Flags that contradict each other. */
function checkFlags(flags: Flags): void {
  const ways = [
    ['--bits', flags.bits],
    ['--budget', flags.budget],
    ['--max-drop', flags.maxDrop],
    ['--max-error', flags.maxError],
    ['--plan', flags.plan],
  ].filter(([, value]) => value !== undefined);
  if (ways.length === 0)
    throw new UsageError(
      'expected --bits, --budget, --max-drop, --max-error or --plan: how small the model is to become',
    );
  if (ways.length > 1)
    throw new UsageError(
      `expected one of --bits, --budget, --max-drop, --max-error and --plan, got ${ways.map(([name]) => name).join(' and ')}`,
    );
  if (flags.dataFree && flags.calib !== undefined)
    throw new UsageError('--data-free: has no effect with --calib, which is the data');
  if (flags.cacheSize !== undefined && flags.cache === undefined)
    throw new UsageError('--cache-size: has no effect without --cache');
  if (flags.plan === undefined) return;
  const { strategy, objective, unit, rounding, granularity, format, target, pin, exclude, tie } = flags;
  const said = { strategy, objective, unit, rounding, granularity, format, target, pin, exclude, tie };
  const idle = Object.entries(said).find(([, v]) => v !== undefined);
  if (idle) throw new UsageError(`--${idle[0]}: has no effect with --plan, which says it for every layer`);
}

/** Beside the model: its name and what was asked for. */
function defaultOutput(path: string, { bits, budget, maxDrop, maxError }: Flags): string {
  const stem = basename(path).replace(/\.onnx$/i, '');
  const suffix =
    bits !== undefined
      ? `${bits}b`
      : budget
        ? budget.text.replaceAll(/\s/g, '')
        : maxDrop
          ? `${maxDrop.measure}-${maxDrop.value}`
          : maxError !== undefined
            ? `error-${maxError}`
            : 'planned';
  return join(dirname(path), `${stem}-${suffix}.onnx`);
}

function namedLayers(model: Model, { pin, exclude, tie }: Flags) {
  if (!pin && !exclude && !tie) return {};
  const { layers } = findLayers(prepareModel(model));
  const pins = parsePins(pin ?? [], layers);
  const excluded = parseExclusions(exclude ?? [], layers);
  const both = excluded.find((name) => pins.has(name) && pins.get(name) !== 32);
  if (both !== undefined)
    throw new UsageError(`--exclude: layer '${printable(both)}' is pinned to ${pins.get(both)} bits as well`);
  return { pins, exclude: excluded, ties: parseTies(tie ?? [], layers) };
}

async function readPlan(path: string): Promise<Plan> {
  const bytes = await readInput(path, 'plan', { maxBytes: PLAN_LIMIT });
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : 'not UTF-8 text';
    throw new UsageError(`plan '${printable(path)}': expected JSON as --save-plan writes it: ${printable(reason)}`, {
      cause,
    });
  }
  try {
    return parsePlan(value, `plan '${printable(path)}'`);
  } catch (error) {
    if (error instanceof DataError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** The format of all layers of a plan, undefined where they differ. */
function planFormat(plan: Plan): string | undefined {
  const formats = new Set(plan.layers.filter((l) => l.bits !== 32).map((l) => l.format));
  const [format] = formats;
  return formats.size === 1 && format !== undefined && Object.hasOwn(FORMATS, format) ? format : undefined;
}
