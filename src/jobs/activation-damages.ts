import type { CostTable } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { histogramsOf } from '../calibrate/histogram.ts';
import { affineFor, type RangeMethod, rangeOf } from '../calibrate/ranges.ts';
import { DamageMeter } from '../curvature/damage.ts';
import { loadOperators, Session } from '../graph/index.ts';
import { makeInitializer, makeNode, withGraph } from '../onnx/index.ts';
import type { Model, Node } from '../onnx/model.ts';
import { breath, type Progress } from '../progress.ts';
import { insertSites } from '../quantize/activations/insert.ts';
import type { Site } from '../quantize/activations/place.ts';
import { type ActivationType, INTEGER_OPSET, limitsOf, type SiteGrid } from '../quantize/activations/write.ts';
import { raiseOpset } from '../quantize/opset.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

export interface GroupOptions {
  readonly range: RangeMethod;
  readonly type: 'uint8' | 'int8';
  readonly bits: readonly (8 | 16)[];
  readonly progress: Progress;
}

/** What activations of that width are stored as, where 8 bits are stored as `type`. */
export function typeAt(bits: number, type: 'uint8' | 'int8'): ActivationType {
  return bits === 16 ? (type === 'int8' ? 'int16' : 'uint16') : type;
}

/**
 * Damage of each group of values at each width: rounded alone in the original model, the graph run from there on, over the samples
 * that the weights' damages are measured on. result[group][width]
 */
export async function groupDamages(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  groups: readonly (readonly Site[])[],
  { range, type, bits, progress }: GroupOptions,
): Promise<number[][]> {
  const { data } = analyzer.measuring!;
  const { dataset, batch, calibration } = data;
  const at = new Map(groups.flatMap((own, g) => own.map((s) => [s.value, g] as const)));
  const cells = await histogramsOf(wasm, analyzer.session, at, dataset, {
    batch,
    samples: calibration.samples,
    progress: (done, total) => progress('ranges of activations', done, total),
  });
  const original = raiseOpset(analyzer.model, INTEGER_OPSET, '--activations', '');
  const model = switchable(original, groups.flat(), bits, (value, b) => {
    const t = typeAt(b, type);
    const [low, high] = limitsOf(t);
    return { ...affineFor(rangeOf(wasm, cells[at.get(value)!]!, range, low, high), low, high), type: t };
  });
  await loadOperators(model);
  const session = new Session(model, wasm);
  const meters = groups.map(() => bits.map(() => new DamageMeter(wasm, data.losses)));
  try {
    let done = 0;
    for await (const { feeds, count } of dataset.batches(batch, { limit: data.samples })) {
      const trace = session.trace(feeds);
      try {
        const reference = session.rerun(trace, new Map());
        for (const [i, own] of groups.entries()) {
          for (const [j, b] of bits.entries()) {
            const on = new Map([[switchOf(own[0]!.group, b), tensor('bool', [], Uint8Array.of(1))]]);
            meters[i]![j]!.add(reference, session.rerun(trace, on));
          }
          progress('measuring activations', done * groups.length + i * count, data.samples * groups.length);
          await breath();
        }
      } finally {
        session.release(trace);
      }
      done += count;
    }
  } finally {
    session.dispose();
  }
  return meters.map((of) => of.map((m) => m.read()));
}

function switchOf(group: number, bits: number): string {
  return `kq switch ${group} ${bits}`;
}

/** The model with every site's value, or the same rounded where the group's switch is on. */
function switchable(
  model: Model,
  sites: readonly Site[],
  bits: readonly number[],
  gridOf: (value: string, bits: number) => SiteGrid,
): Model {
  const initializers = new Map<string, ReturnType<typeof makeInitializer>>();
  const constant = (name: string, t: Parameters<typeof makeInitializer>[1]): string => {
    if (!initializers.has(name)) initializers.set(name, makeInitializer(name, t));
    return name;
  };
  const switched = insertSites(model, sites, ({ value, group }, from, to) => {
    const nodes: Node[] = [];
    let at = from;
    for (const [i, b] of bits.entries()) {
      const name = (part: string) => `kq ${part} ${value} ${b}`;
      const { scale, zero, type } = gridOf(value, b);
      const array = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array }[type];
      const grid = [
        constant(name('scale'), tensor('float', [], Float32Array.of(scale))),
        constant(name('zero'), { dtype: type, dims: [], data: array.of(zero) }),
      ];
      const on = constant(switchOf(group, b), tensor('bool', [], Uint8Array.of(0)));
      const domain = { domain: 'com.microsoft' };
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

/** What the original puts out, by the number of the batch. */
export type References = Map<number, Readonly<Record<string, Tensor>>>;

/**
 * Damage of a whole model against the original, on the samples that judge plans.
 * @param references kept for the next model
 */
export async function damageOf(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  model: Model,
  references: References = new Map(),
): Promise<number> {
  const { data, joint } = analyzer.measuring!;
  await loadOperators(model);
  const session = new Session(model, wasm);
  const meter = new DamageMeter(wasm, data.losses);
  try {
    const start = joint.end - joint.samples;
    let batch = 0;
    for await (const { feeds } of data.dataset.batches(data.batch, { start, limit: joint.samples })) {
      const reference = references.get(batch) ?? analyzer.session.run(feeds);
      references.set(batch++, reference);
      meter.add(reference, session.run(feeds));
      await breath();
    }
  } finally {
    session.dispose();
  }
  return meter.read();
}

/** The unit of what `DamageMeter` reads. */
export function unitOf(analyzer: CurvatureQuantizationAnalyzer): CostTable['unit'] {
  return analyzer.measuring!.data.losses.every((l) => l.loss === 'kl') ? 'kl' : 'nse';
}
