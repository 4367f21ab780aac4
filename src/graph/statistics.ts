import type { Model } from '../onnx/model.ts';
import { usesOf } from './uses.ts';

/** What a BatchNormalization node remembers of the data it was trained on. */
export interface BatchStatistics {
  /** The node's name, or its output's. */
  readonly node: string;
  /** The value it normalises, whose axis 1 counts the channels. */
  readonly value: string;
  /** Of every channel. */
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** Identity nodes that a statistic may come through. */
const DEEP = 64;

/**
 * The running statistics of the main graph's BatchNormalization nodes, in order: those whose mean and variance are finite float
 * initializers. None are left once BatchNormalization is folded.
 */
export function batchStatistics(model: Model): BatchStatistics[] {
  const { maker } = usesOf(model.graph);
  const held = new Map(model.graph.initializers.map((i) => [i.name, i]));
  const numbers = (name: string | undefined): Float64Array | undefined => {
    let value = name ?? '';
    for (let i = 0; i < DEEP && !held.has(value); i++) {
      const node = maker.get(value);
      if (node?.opType !== 'Identity' || node.domain !== '') break;
      value = node.inputs[0]!;
    }
    const t = held.get(value)?.tensor();
    return t?.dtype === 'float' ? Float64Array.from(t.data as Float32Array) : undefined;
  };
  return model.graph.nodes.flatMap((node) => {
    if (node.opType !== 'BatchNormalization' || node.domain !== '') return [];
    if (Number(node.attributes.get('training_mode')?.value ?? 0) !== 0) return [];
    const mean = numbers(node.inputs[3]);
    const variance = numbers(node.inputs[4]);
    if (!mean || !variance || mean.length !== variance.length || mean.length === 0) return [];
    if (![...mean, ...variance].every(Number.isFinite) || variance.some((v) => v < 0)) return [];
    return [{ node: node.name || node.outputs[0]!, value: node.inputs[0]!, mean, variance }];
  });
}
