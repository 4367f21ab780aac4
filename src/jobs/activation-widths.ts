import { BitWidthOptimizer } from '../allocate/optimizer.ts';
import type { CostTable } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { DamageMeter } from '../curvature/damage.ts';
import { Session } from '../graph/index.ts';
import { makeInitializer, makeNode, withGraph } from '../onnx/index.ts';
import type { Model, Node } from '../onnx/model.ts';
import type { Progress } from '../progress.ts';
import { insertSites } from '../quantize/activations/insert.ts';
import type { Placement } from '../quantize/activations/place.ts';
import type { SiteGrid } from '../quantize/activations/write.ts';
import type { Target } from '../quantize/targets.ts';
import { sizeOf, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Allocation } from './search.ts';

/** Damage that activations may do: this share of what the weights do, or this much where that is more. */
const SHARE = 0.5;
const LEAST: Readonly<Record<CostTable['unit'], number>> = { kl: 2e-4, nse: 1e-5, proxy: 1e-5 };
/** Samples that single values are measured on at most, and attempts to keep the limit with all of them rounded. */
const SAMPLES = 128;
const ATTEMPTS = 3;
/** Rows a sample below which onnxruntime-web multiplies integers no faster than floats. */
const FEWEST_ROWS = 2;

export interface WidthOptions {
  readonly bits: readonly (8 | 16)[];
  readonly target: Target;
  readonly gridOf: (value: string, bits: number) => SiteGrid;
  /** The model with values at these widths, 32 for float. */
  readonly write: (widths: ReadonlyMap<string, number>) => Promise<Model>;
  readonly progress: Progress;
}

export interface Chosen {
  /** Width of every value that could be rounded; 32 is float. */
  readonly chosen: ReadonlyMap<string, number>;
  /** Damage of its group alone at that width. */
  readonly damages: ReadonlyMap<string, number>;
  /** The sum over groups, and what was allowed. */
  readonly predicted: number;
  readonly limit: number;
}

/**
 * A width for each group of values that share a scale, by the optimizer that chooses those of weights: fewest bytes of activations
 * whose damage, each group's measured with it alone rounded, sums to no more than a share of what the weights do. Then all are
 * rounded together and measured on the samples that judge plans; where that is over the limit, it is asked for less.
 */
export async function chooseWidths(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  found: Allocation,
  placement: Placement,
  options: WidthOptions,
): Promise<Chosen> {
  const { data } = analyzer.measuring!;
  const weights = found.allocations[0]?.damage ?? 0;
  const unit = data.losses.every((l) => l.loss === 'kl') ? 'kl' : 'nse';
  const limit = Math.max(SHARE * weights, LEAST[unit]);
  const table = await activationTable(wasm, analyzer, found, placement, options, unit);
  const pins = options.target === 'node' ? undefined : slowGroups(analyzer, placement);
  const optimizer = new BitWidthOptimizer(table, { pins });
  const without = await damageOf(wasm, analyzer, found.quantized.model);
  let target = limit;
  for (let attempt = 0; ; attempt++) {
    const plan = optimizer.minimumFor(Math.max(target, 0));
    const bits = new Map(plan.layers.map((l) => [l.name, l.bits]));
    const chosen = new Map(placement.sites.map((s) => [s.value, bits.get(nameOf(s.group))!]));
    const rounded = [...chosen.values()].some((b) => b !== 32);
    const together = rounded ? await damageOf(wasm, analyzer, await options.write(chosen)) : without;
    if (together - without <= limit || attempt === ATTEMPTS || !rounded) {
      const damages = placement.sites.map(({ value, group }) => {
        const own = table.layers.find((l) => l.name === nameOf(group))!;
        return [value, own.choices.find((c) => c.bits === bits.get(own.name))!.damage] as const;
      });
      return { chosen, damages: new Map(damages), predicted: plan.predicted, limit };
    }
    target = Math.min(target / 2, (plan.predicted * limit) / (together - without));
  }
}

function nameOf(group: number): string {
  return `values ${group}`;
}

/** Groups that only products of a few rows read: left in float. */
function slowGroups(analyzer: CurvatureQuantizationAnalyzer, { sites, nodes }: Placement): Map<string, number> {
  const { calibration } = analyzer.measuring!.data;
  const slow = nodes.filter(({ node, input }) => {
    const shape = calibration.shapes.get(input);
    return node.opType !== 'Conv' && shape !== undefined && sizeOf(shape.slice(0, -1)) < FEWEST_ROWS;
  });
  const values = new Set(slow.map((n) => n.input));
  const fast = new Set(nodes.filter((n) => !slow.includes(n)).flatMap((n) => [n.input, n.output ?? n.input]));
  const groupsOf = (wanted: ReadonlySet<string>) => sites.flatMap((s) => (wanted.has(s.value) ? [s.group] : []));
  const kept = new Set(groupsOf(fast));
  return new Map(groupsOf(values).flatMap((g) => (kept.has(g) ? [] : [[nameOf(g), 32] as const])));
}

/** Group x width -> damage of that group alone rounded, the weights quantized, and bytes of its elements of one sample. */
async function activationTable(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  found: Allocation,
  placement: Placement,
  { bits, gridOf, progress }: WidthOptions,
  unit: CostTable['unit'],
): Promise<CostTable> {
  const { data } = analyzer.measuring!;
  const groups = [...new Set(placement.sites.map((s) => s.group))].sort((a, b) => a - b);
  const model = switchable(found.quantized.model, placement, bits, gridOf);
  const session = new Session(model, wasm);
  const meters = groups.map(() => bits.map(() => new DamageMeter(wasm, data.losses)));
  const samples = Math.min(data.samples, SAMPLES);
  try {
    let done = 0;
    for await (const { feeds, count } of data.dataset.batches(data.batch, { limit: samples })) {
      const trace = session.trace(feeds);
      try {
        const reference = session.rerun(trace, new Map());
        for (const [i, group] of groups.entries()) {
          for (const [j, b] of bits.entries()) {
            const on = new Map([[switchOf(group, b), tensor('bool', [], Uint8Array.of(1))]]);
            meters[i]![j]!.add(reference, session.rerun(trace, on));
          }
          progress('measuring activations', done * groups.length + i * count, samples * groups.length);
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
      } finally {
        session.release(trace);
      }
      done += count;
    }
  } finally {
    session.dispose();
  }
  const sizes = groups.map((g) =>
    placement.sites.reduce((n, s) => n + (s.group === g ? elements(analyzer, s.value) : 0), 0),
  );
  const layers = groups.map((group, i) => ({
    name: nameOf(group),
    weight: nameOf(group),
    opType: 'QuantizeLinear',
    params: sizes[i]!,
    choices: [
      ...bits.map((b, j) => ({ bits: b, damage: meters[i]![j]!.read(), bytes: (sizes[i]! * b) / 8, measured: true })),
      { bits: 32, damage: 0, bytes: 4 * sizes[i]!, measured: true },
    ],
  }));
  return { version: 1, metric: unit, unit, samples, layers };
}

function elements(analyzer: CurvatureQuantizationAnalyzer, value: string): number {
  return Math.max(1, sizeOf(analyzer.measuring!.data.calibration.shapes.get(value) ?? []));
}

function switchOf(group: number, bits: number): string {
  return `kq switch ${group} ${bits}`;
}

/** The model with every site's value, or the same rounded where the group's switch is on. */
function switchable(
  model: Model,
  placement: Placement,
  bits: readonly number[],
  gridOf: WidthOptions['gridOf'],
): Model {
  const initializers = new Map<string, ReturnType<typeof makeInitializer>>();
  const constant = (name: string, t: Parameters<typeof makeInitializer>[1]): string => {
    if (!initializers.has(name)) initializers.set(name, makeInitializer(name, t));
    return name;
  };
  const first = new Map<number, string>();
  for (const { value, group } of placement.sites) if (!first.has(group)) first.set(group, value);
  const switched = insertSites(model, placement.sites, ({ value, group }, from, to) => {
    const nodes: Node[] = [];
    let at = from;
    for (const [i, b] of bits.entries()) {
      const name = (part: string) => `kq ${part} ${value} ${b}`;
      const { scale, zero, type } = gridOf(first.get(group)!, b);
      const array = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array }[type];
      const grid = [
        constant(name('scale'), tensor('float', [], Float32Array.of(scale))),
        constant(name('zero'), { dtype: type, dims: [], data: array.of(zero) }),
      ];
      const on = constant(switchOf(group, b), tensor('bool', [], Uint8Array.of(0)));
      const domain = b === 16 ? { domain: 'com.microsoft' } : {};
      nodes.push(
        makeNode('QuantizeLinear', [from, ...grid], [name('codes')], {}, domain),
        makeNode('DequantizeLinear', [name('codes'), ...grid], [name('rounded')], {}, domain),
      );
      const out = i === bits.length - 1 && to !== undefined ? to : name('value');
      nodes.push(makeNode('Where', [on, name('rounded'), at], [out]));
      at = out;
    }
    return { nodes, output: at };
  });
  const opsets = new Map(switched.opsets).set('com.microsoft', switched.opsets.get('com.microsoft') ?? 1);
  return {
    ...withGraph(switched, { initializers: [...switched.graph.initializers, ...initializers.values()] }),
    opsets,
  };
}

/** Damage of a whole model against the original, on the samples that judge plans. */
export async function damageOf(wasm: Wasm, analyzer: CurvatureQuantizationAnalyzer, model: Model): Promise<number> {
  const { data, joint } = analyzer.measuring!;
  const session = new Session(model, wasm);
  const meter = new DamageMeter(wasm, data.losses);
  try {
    const start = joint.end - joint.samples;
    for await (const { feeds } of data.dataset.batches(data.batch, { start, limit: joint.samples })) {
      meter.add(analyzer.session.run(feeds), session.run(feeds));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  } finally {
    session.dispose();
  }
  return meter.read();
}
