import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DamageMeter, type OutputLoss } from '../../src/curvature/damage.ts';
import { seedsOf } from '../../src/tune/index.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();

const ROWS = 5;
const COLS = 7;
const scores = (seed: number) => tensor('float', [ROWS, COLS], normals(ROWS * COLS, random(seed)));

/** Positive rows; they need not sum to 1. */
const shares = (seed: number) =>
  tensor('float', [ROWS, COLS], normals(ROWS * COLS, random(seed)).map((v) => 0.05 + v * v) as Float32Array);

function damage(losses: readonly OutputLoss[], p: Record<string, Tensor>, q: Record<string, Tensor>): number {
  const meter = new DamageMeter(wasm, losses);
  meter.add(p, q);
  return meter.read();
}

function checkSeeds(losses: readonly OutputLoss[], p: Record<string, Tensor>, q: Record<string, Tensor>): void {
  const energy = (name: string) =>
    (p[name]!.data as Float32Array).reduce((s, v) => s + v * v, 0) / p[name]!.data.length;
  const seeds = seedsOf(
    wasm,
    losses,
    (name) => p[name]!,
    (name) => q[name]!,
    energy,
  );
  for (const name of new Set(losses.map((l) => l.output))) {
    const { dims, data } = q[name]!;
    const seed = seeds.get(name)!;
    assert.is(seed.length, data.length);
    const largest = seed.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    assert.ok(largest > 0);
    for (let i = 0; i < data.length; i++) {
      const at = (d: number) => {
        const moved = (data as Float32Array).slice();
        moved[i] = moved[i]! + d;
        return { x: moved[i]!, y: damage(losses, p, { ...q, [name]: tensor('float', dims, moved) }) };
      };
      const [up, down] = [at(2 ** -9), at(-(2 ** -9))];
      const slope = (up.y - down.y) / (up.x - down.x);
      assert.ok(Math.abs(seed[i]! - slope) <= 2e-3 * largest, `${name} ${i}: ${seed[i]}, difference ${slope}`);
    }
  }
}

test('scores: softmax of the one less softmax of the other', () => {
  checkSeeds([{ output: 'y', loss: 'kl', probabilities: false }], { y: scores(1) }, { y: scores(2) });
});

test('probabilities, which need not sum to 1', () => {
  checkSeeds([{ output: 'y', loss: 'kl', probabilities: true }], { y: shares(3) }, { y: shares(4) });
});

test('squared error over squared norm; several outputs share the damage', () => {
  checkSeeds(
    [
      { output: 'y', loss: 'kl', probabilities: false },
      { output: 'z', loss: 'nse', probabilities: false },
    ],
    { y: scores(5), z: scores(6) },
    { y: scores(7), z: scores(8) },
  );
});

test('an output of zeros, and an empty one, pass nothing on', () => {
  const none = (dims: number[]) => tensor('float', dims, new Float32Array(dims[0]! * dims[1]!));
  const losses: OutputLoss[] = [{ output: 'y', loss: 'nse', probabilities: false }];
  const zero = seedsOf(
    wasm,
    losses,
    () => none([2, 3]),
    () => scores(1),
    () => 0,
  );
  assert.ok(zero.get('y')!.every((v) => v === 0));
  const kl = { ...losses[0]!, loss: 'kl' as const };
  for (const probabilities of [true, false]) {
    const empty = seedsOf(
      wasm,
      [{ ...kl, probabilities }],
      () => none([0, 3]),
      () => none([0, 3]),
      () => 0,
    );
    assert.is(empty.get('y')!.length, 0);
  }
  const dead = seedsOf(
    wasm,
    [{ ...kl, probabilities: true }],
    () => none([2, 3]),
    () => none([2, 3]),
    () => 0,
  );
  assert.ok(dead.get('y')!.every((v) => v === 0));
});

test.run();
