import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { choice, flag, has, int } from './attributes.ts';
import { withHalf } from './half.ts';
import type { NodeSpec, Op, Run } from './op.ts';
import { type Place, type Real, realOf } from './precision.ts';
import { type Activation, activationsOf, SIGMOID, TANH } from './rnn-activations.ts';
import { integers, need } from './shape.ts';
import { transpose } from './transpose.ts';

/**
 * RNN, GRU and LSTM. The inputs of all time steps are projected by one matrix product; a step then adds the projection of the
 * state and runs its gates, row by row of the batch.
 */

/** One direction while it runs. Matrices are row-major; `hidden` floats a state, a row a sequence of the batch. */
interface Pass {
  readonly real: Real;
  readonly batch: number;
  readonly hidden: number;
  /** Recurrence weights [gates * hidden, hidden]. */
  readonly r: number;
  /** The tensor those lie in. */
  readonly weights: Tensor;
  /** Recurrence bias [gates * hidden], zeros where absent: what the cell does not leave to the projection. */
  readonly rb: number;
  readonly activations: readonly Activation[];
  /** State [batch, hidden], updated by each step. */
  readonly h: number;
  /** LSTM: cell state [batch, hidden]; peephole weights [3 * hidden] in the order i, o, f, or 0. */
  readonly c: number;
  readonly p: number;
}

/** Runs one time step: `x` [batch, gates * hidden] is the projection with its biases, and is used up. Rows not active keep their state. */
type Step = (x: number, active: (row: number) => boolean) => void;

interface Cell {
  readonly gates: number;
  readonly activations: readonly string[];
  /** First gate whose recurrence bias the cell adds itself. */
  readonly ownBiasFrom: number;
  start(pass: Pass): Step;
}

function recurrent(cellOf: (node: NodeSpec) => Cell): Op {
  const build = (node: NodeSpec): Run => {
    const cell = cellOf(node);
    const direction = choice(node, 'direction', ['forward', 'reverse', 'bidirectional'] as const, 'forward');
    const directions = direction === 'bidirectional' ? 2 : 1;
    const batchFirst = flag(node, 'layout');
    // As onnxruntime: the cell state itself is not clipped on its way to h.
    const activations = activationsOf(node, directions, cell.activations, 2);
    const size = has(node, 'hidden_size') ? int(node, 'hidden_size') : undefined;
    const lstm = node.opType === 'LSTM';
    return (inputs, rt) => {
      const given = need(inputs, 0, 'X');
      const real = realOf(given, 'X', rt);
      if (given.dims.length !== 3)
        throw new ModelError(`X: expected shape [sequence, batch, input], found [${given.dims}]`);
      const x = batchFirst ? transpose(given, [1, 0, 2], rt) : given;
      const [steps, batch, width] = x.dims as [number, number, number];
      const w = real.need(inputs, 1, 'W');
      const r = real.need(inputs, 2, 'R');
      const hidden = r.dims[2] ?? 0;
      const rows = cell.gates * hidden;
      if (size !== undefined && size !== hidden)
        throw new ModelError(`R [${r.dims}]: expected hidden_size ${size} as its last dimension`);
      expectShape(w, [directions, rows, width], 'W');
      expectShape(r, [directions, rows, hidden], 'R');
      const optional = (i: number, what: string, dims: readonly number[]) => {
        const t = real.optional(inputs, i, what);
        if (t !== undefined) expectShape(t, dims, what);
        return t === undefined ? 0 : real.ptr(t);
      };
      const pb = optional(3, 'B', [directions, 2 * rows]);
      const peephole = lstm ? optional(7, 'P', [directions, 3 * hidden]) : 0;
      const lengths = lengthsOf(inputs[4], steps, batch);
      const state = (i: number, what: string): Place => {
        const place = real.empty([directions, batch, hidden]);
        const t = real.optional(inputs, i, what);
        if (t !== undefined) expectShape(t, batchFirst ? [batch, directions, hidden] : place.done().dims, what);
        const from = t === undefined ? 0 : real.ptr(batchFirst ? transpose(t, [1, 0, 2], rt) : t);
        const view = real.view(place.ptr, place.length);
        if (from === 0) view.fill(0);
        else view.set(real.view(from, place.length));
        return place;
      };
      const h = state(5, 'initial_h');
      const c = lstm ? state(6, 'initial_c') : undefined;
      const y = real.empty([steps, directions, batch, hidden]);
      const [px, pw, pr] = [real.ptr(x), real.ptr(w), real.ptr(r)];
      const projected = real.scratch(steps * batch * rows);
      const biases = real.scratch(rows);
      const rb = real.scratch(rows);
      real.view(y.ptr, y.length).fill(0);
      for (let d = 0; d < directions && steps * batch * hidden > 0; d++) {
        biasesOf(real, pb === 0 ? 0 : real.at(pb, 2 * d * rows), rows, cell.ownBiasFrom * hidden, biases, rb);
        const weights = real.at(pw, d * rows * width);
        real.multiply(0, 1, steps * batch, rows, width, px, weights, projected, { constant: w, bias: biases });
        const own = real.at(h.ptr, d * batch * hidden);
        const step = cell.start({
          real,
          batch,
          hidden,
          r: real.at(pr, d * rows * hidden),
          weights: r,
          rb,
          activations: activations[d]!,
          h: own,
          c: c === undefined ? 0 : real.at(c.ptr, d * batch * hidden),
          p: peephole === 0 ? 0 : real.at(peephole, 3 * d * hidden),
        });
        const backward = d === 1 || direction === 'reverse';
        for (let s = 0; s < steps; s++) {
          const t = backward ? steps - 1 - s : s;
          const active = (row: number) => lengths === undefined || t < lengths[row]!;
          step(real.at(projected, t * batch * rows), active);
          const out = real.at(y.ptr, (t * directions + d) * batch * hidden);
          if (lengths === undefined) copy(real, own, out, batch * hidden);
          else
            for (let row = 0; row < batch; row++)
              if (active(row)) copy(real, real.at(own, row * hidden), real.at(out, row * hidden), hidden);
        }
      }
      const states = [h, ...(c === undefined ? [] : [c])].map((place) => {
        const t = place.done();
        return batchFirst ? transpose(t, [1, 0, 2], rt) : t;
      });
      return [batchFirst ? transpose(y.done(), [2, 0, 1, 3], rt) : y.done(), ...states];
    };
  };
  // Versions 1 and 3 have the attribute output_sequence.
  return withHalf([{ since: 7, build }]);
}

function expectShape(t: Tensor, dims: readonly number[], what: string): void {
  if (String(t.dims) !== String(dims)) throw new ModelError(`${what}: expected shape [${dims}], found [${t.dims}]`);
}

function lengthsOf(t: Tensor | undefined, steps: number, batch: number): number[] | undefined {
  if (t === undefined) return undefined;
  expectShape(t, [batch], 'sequence_lens');
  const lengths = integers(t, 'sequence_lens');
  for (const n of lengths)
    if (n < 0 || n > steps) throw new ModelError(`sequence_lens: expected 0..${steps}, found ${n}`);
  return lengths;
}

function copy(real: Real, from: number, to: number, n: number): void {
  const bytes = real.bytes * n;
  real.rt.wasm.arena.u8(0, Math.max(from, to) + bytes).copyWithin(to, from, from + bytes);
}

/** B [2 * rows] at b as what the projection adds and, from row `own` on, what the recurrence does. */
function biasesOf(real: Real, b: number, rows: number, own: number, both: number, recurrence: number): void {
  const sums = real.view(both, rows);
  const rest = real.view(recurrence, rows);
  if (b === 0) {
    sums.fill(0);
    rest.fill(0);
    return;
  }
  const wb = real.view(b, rows);
  const rb = real.view(real.at(b, rows), rows);
  for (let i = 0; i < rows; i++) {
    sums[i] = i < own ? wb[i]! + rb[i]! : wb[i]!;
    rest[i] = i < own ? 0 : rb[i]!;
  }
}

/** Ht = f(Xt Wi' + Ht-1 Ri' + Wbi + Rbi) */
export const RNN = recurrent(() => ({
  gates: 1,
  activations: ['Tanh'],
  ownBiasFrom: 1,
  start: ({ real, batch, hidden, r, weights, activations: [f], h }) => {
    return (x, active) => {
      real.multiply(0, 1, batch, hidden, hidden, h, r, x, { beta: 1, constant: weights });
      for (let row = 0; row < batch; row++)
        if (active(row)) f!(real, real.at(x, row * hidden), real.at(h, row * hidden), hidden);
    };
  },
}));

/**
 * zt, rt = f(Xt W' + Ht-1 R' + Wb + Rb); ht = g(Xt Wh' + (rt . Ht-1) Rh' + Rbh + Wbh), or with linear_before_reset
 * g(Xt Wh' + rt . (Ht-1 Rh' + Rbh) + Wbh); Ht = (1 - zt) . ht + zt . Ht-1
 */
export const GRU = recurrent((node) => {
  const linear = flag(node, 'linear_before_reset');
  return {
    gates: 3,
    activations: ['Sigmoid', 'Tanh'],
    ownBiasFrom: linear ? 2 : 3,
    start: ({ real, batch, hidden, r, weights, rb, activations: [f, g], h }) => {
      const { k } = real;
      const own = linear ? 3 * hidden : hidden;
      const recurrence = real.scratch(batch * own);
      const rh = real.at(r, 2 * hidden * hidden);
      return (x, active) => {
        if (linear) real.multiply(0, 1, batch, 3 * hidden, hidden, h, r, recurrence, { constant: weights });
        else real.multiply(0, 1, batch, 2 * hidden, hidden, h, r, x, { beta: 1, ldc: 3 * hidden, constant: weights });
        for (let row = 0; row < batch; row++) {
          const z = real.at(x, row * 3 * hidden);
          const reset = real.at(z, hidden);
          const extra = real.at(recurrence, row * own);
          if (linear) k.add(z, extra, z, 2 * hidden);
          f!(real, z, z, 2 * hidden);
          if (!linear) {
            k.mul(reset, real.at(h, row * hidden), extra, hidden);
            continue;
          }
          const last = real.at(extra, 2 * hidden);
          k.add(last, real.at(rb, 2 * hidden), last, hidden);
          k.mul(reset, last, last, hidden);
          k.add(real.at(z, 2 * hidden), last, real.at(z, 2 * hidden), hidden);
        }
        if (!linear) {
          const to = real.at(x, 2 * hidden);
          real.multiply(0, 1, batch, hidden, hidden, recurrence, rh, to, {
            beta: 1,
            ldc: 3 * hidden,
            constant: weights,
          });
        }
        for (let row = 0; row < batch; row++) {
          if (!active(row)) continue;
          const z = real.at(x, row * 3 * hidden);
          const candidate = real.at(z, 2 * hidden);
          const state = real.at(h, row * hidden);
          g!(real, candidate, candidate, hidden);
          // h~ + z (H - h~)
          k.sub(state, candidate, state, hidden);
          k.mul(z, state, state, hidden);
          k.add(candidate, state, state, hidden);
        }
      };
    },
  };
});

/**
 * it, ft = f(Xt W' + Ht-1 R' + P . Ct-1 + Wb + Rb); ct = g(Xt Wc' + Ht-1 Rc' + Wbc + Rbc); Ct = ft . Ct-1 + it . ct;
 * ot = f(Xt Wo' + Ht-1 Ro' + Po . Ct + Wbo + Rbo); Ht = ot . h(Ct). Gates lie in the order i, o, f, c. With input_forget
 * ft = 1 - it.
 */
export const LSTM = recurrent((node) => {
  const coupled = flag(node, 'input_forget');
  return {
    gates: 4,
    activations: ['Sigmoid', 'Tanh', 'Tanh'],
    ownBiasFrom: 4,
    start: ({ real, batch, hidden: n, r, weights, activations: [f, g, last], h, c, p }) => {
      const { k } = real;
      const usual = f === SIGMOID && g === TANH && last === TANH && !coupled && p === 0;
      if (usual && real.dtype === 'float')
        return (x, active) => {
          real.multiply(0, 1, batch, 4 * n, n, h, r, x, { beta: 1, constant: weights });
          for (let row = 0; row < batch; row++) {
            const from = row;
            while (row < batch && active(row)) row++;
            const at = (base: number, size: number) => real.at(base, from * size);
            if (row > from) real.rt.wasm.k.lstm_gates(at(x, 4 * n), at(c, n), at(h, n), row - from, n);
          }
        };
      const scratch = real.scratch(n);
      /** gate += row of P . cell */
      const peep = (gate: number, row: number, cell: number) => {
        k.mul(real.at(p, row * n), cell, scratch, n);
        k.add(gate, scratch, gate, n);
      };
      return (x, active) => {
        real.multiply(0, 1, batch, 4 * n, n, h, r, x, { beta: 1, constant: weights });
        for (let row = 0; row < batch; row++) {
          if (!active(row)) continue;
          const input = real.at(x, row * 4 * n);
          const [output, forget, candidate] = [real.at(input, n), real.at(input, 2 * n), real.at(input, 3 * n)];
          const cell = real.at(c, row * n);
          if (p === 0) f!(real, input, input, 3 * n);
          else {
            peep(input, 0, cell);
            peep(forget, 2, cell);
            f!(real, input, input, n);
            f!(real, forget, forget, n);
          }
          if (coupled) {
            k.mul_scalar(input, -1, forget, n);
            k.add_scalar(forget, 1, forget, n);
          }
          g!(real, candidate, candidate, n);
          k.mul(forget, cell, cell, n);
          k.mul(input, candidate, candidate, n);
          k.add(cell, candidate, cell, n);
          if (p !== 0) {
            peep(output, 1, cell);
            f!(real, output, output, n);
          }
          last!(real, cell, scratch, n);
          k.mul(output, scratch, real.at(h, row * n), n);
        }
      };
    },
  };
});
