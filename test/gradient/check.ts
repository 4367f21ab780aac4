import * as assert from 'uvu/assert';
import { backward } from '../../src/gradient/index.ts';
import { Session } from '../../src/graph/index.ts';
import { sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { random } from '../helpers.ts';
import { type Attributes, type Case, feedsOf, modelOf, wasm } from '../ops/compare.ts';

export interface Check extends Case {
  /** Inputs whose gradients are checked; every float one unless told. */
  readonly of?: readonly number[];
  /** Half the distance of the two points a difference is taken between. */
  readonly step?: number;
  /** Bound on |gradient - difference| / (1 + largest difference). */
  readonly tolerance?: number;
  /** Outputs that get a seed; every float one unless told. */
  readonly seeded?: readonly number[];
}

const next = random(77);

/** n numbers in [-1, 1), none of them near 0. */
export function seedOf(n: number): Float32Array {
  return Float32Array.from({ length: n }, () => {
    const v = 2 * next() - 1;
    return v + Math.sign(v) * 0.1;
  });
}

/** Sum of seed times output in f64. */
function score(outputs: Readonly<Record<string, Tensor>>, seeds: ReadonlyMap<string, Float32Array>): number {
  let total = 0;
  for (const [name, seed] of seeds) {
    const { data } = outputs[name]!;
    for (let i = 0; i < seed.length; i++) total += seed[i]! * Number(data[i]);
  }
  return total;
}

/**
 * Checks the gradients of a node's float inputs against central differences of its outputs, element by element; and that the
 * pass gives back all memory.
 */
export function check(
  opType: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Attributes = {},
  c: Check = {},
): void {
  const before = wasm.arena.used;
  const session = new Session(modelOf(opType, inputs, attributes, c), wasm);
  const feeds = feedsOf(inputs, c);
  const trace = session.trace(feeds);
  const held = wasm.arena.used;
  const seeds = new Map<string, Float32Array>();
  session.outputs.forEach(({ name }, i) => {
    const y = session.value(trace, name);
    if (y.dtype === 'float' && (c.seeded?.includes(i) ?? true)) seeds.set(name, seedOf(sizeOf(y.dims)));
  });
  const checked = inputs.flatMap((t, i) => (t?.dtype === 'float' && (c.of?.includes(i) ?? true) ? [i] : []));
  const made = backward(wasm, session, trace, seeds, () => {}, { wanted: new Set(checked.map((i) => `x${i}`)) });
  assert.is(wasm.arena.used, held, `${opType}: the pass kept memory`);
  session.release(trace);
  const what = `${opType} ${inputs.map((t) => (t ? `${t.dtype}[${t.dims}]` : '-')).join(' ')} ${Object.keys(attributes)}`;
  if (!made.ok) throw new Error(`${what}: ${made.obstacle}`);
  const h = c.step ?? 2 ** -7;
  for (const i of checked) {
    const x = inputs[i]!;
    const g = made.gradients.get(`x${i}`) ?? new Float32Array(sizeOf(x.dims));
    const at = (j: number, d: number) => {
      const data = (x.data as Float32Array).slice();
      data[j] = data[j]! + d;
      return {
        value: data[j]!,
        score: score(session.run({ ...feeds, [`x${i}`]: tensor('float', x.dims, data) }), seeds),
      };
    };
    const differences = Array.from({ length: x.data.length }, (_, j) => {
      const [up, down] = [at(j, h), at(j, -h)];
      return (up.score - down.score) / (up.value - down.value);
    });
    const size = 1 + Math.max(...differences.map(Math.abs), 0);
    differences.forEach((d, j) => {
      const error = Math.abs(g[j]! - d) / size;
      assert.ok(error <= (c.tolerance ?? 2e-3), `${what}: input ${i}, element ${j}: ${g[j]}, difference ${d}`);
    });
  }
  session.dispose();
  assert.is(wasm.arena.used, before, `${what}: memory was not freed`);
}

/** The tensor with every element that is nearer than `margin` to one of `kinks` moved to that distance. */
export function awayFrom(t: Tensor, kinks: readonly number[], margin = 0.05): Tensor {
  const data = Float32Array.from(t.data as Float32Array, (v) => {
    const near = kinks.find((k) => Math.abs(v - k) < margin);
    return near === undefined ? v : near + (v < near ? -margin : margin);
  });
  return tensor('float', t.dims, data);
}

/** A tensor whose elements are all at least 0.1 apart, in a seeded order. */
export function distinct(...dims: number[]): Tensor {
  const n = sizeOf(dims);
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return tensor(
    'float',
    dims,
    Float32Array.from(order, (v) => 0.1 * (v - n / 2)),
  );
}
