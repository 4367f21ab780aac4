import { KappaError, DataError, UsageError } from '../errors.ts';
import type { Model, Node } from '../onnx/model.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/**
 * How far a network's outputs are from the reference's. For distributions (class scores, next-token scores): the mean over all
 * predictions of KL(reference || other) in nats. For anything else: squared error / squared norm. Several outputs: their mean.
 */
export type LossName = 'kl' | 'mse' | 'auto';

export interface OutputLoss {
  readonly output: string;
  readonly loss: 'kl' | 'nse';
  /** True where the output is already a distribution, so that no softmax is taken. */
  readonly probabilities: boolean;
}

/** Damage above this is not told apart: a network whose output is not finite has this damage. */
export const DAMAGE_CAP = 1e6;

const SCORES = /logit|prob|score|class/i;

/**
 * Chooses the loss of every float output. `auto` takes KL where the data is labelled, where the output is a Softmax or
 * LogSoftmax, or where its name says that it holds scores; the report says which was taken. The class axis is the last one:
 * an output that is normalised along another is compared by its squares.
 * @throws UsageError when `kl` is asked for and no output has a class axis
 */
export function chooseLosses(model: Model, labelled: boolean, loss: LossName): OutputLoss[] {
  const makers = new Map(model.graph.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  const opset = model.opsets.get('') ?? 0;
  const chosen: OutputLoss[] = [];
  for (const info of model.graph.outputs) {
    if (info.elemType !== 1) continue;
    const maker = makerOf(info.name, makers);
    const normalised = maker?.opType === 'Softmax' || maker?.opType === 'LogSoftmax';
    const rank = info.dims?.length ?? 2;
    const classes = rank >= 2 && info.dims?.at(-1) !== 1 && !(normalised && !alongLast(maker!, rank, opset));
    const likely = labelled || normalised || SCORES.test(info.name);
    const kl = loss === 'kl' ? classes : loss === 'auto' && classes && likely;
    chosen.push({ output: info.name, loss: kl ? 'kl' : 'nse', probabilities: maker?.opType === 'Softmax' });
  }
  if (chosen.length === 0) throw new DataError('the model has no float output to compare');
  if (loss === 'kl' && !chosen.some((c) => c.loss === 'kl'))
    throw new UsageError(
      `--loss kl: expected an output with a class axis, found ${chosen.map((c) => c.output).join(', ')}; use --loss mse`,
    );
  return chosen;
}

/** The node whose elements an output holds, through nodes that only pass them on. */
function makerOf(output: string, makers: ReadonlyMap<string, Node>): Node | undefined {
  let node = makers.get(output);
  for (let steps = 0; node?.opType === 'Identity' && steps < makers.size; steps++) node = makers.get(node.inputs[0]!);
  return node;
}

/** Whether a Softmax or LogSoftmax normalises along the last axis alone: before opset 13 along all from `axis` on. */
function alongLast(node: Node, rank: number, opset: number): boolean {
  const attribute = node.attributes.get('axis');
  const axis = attribute?.type === 'int' ? attribute.value : opset < 13 ? 1 : -1;
  return axis === -1 || axis === rank - 1;
}

/** Adds up damage over batches. */
export class DamageMeter {
  private readonly sums: { error: number; weight: number }[];
  /** KL of every prediction so far, in the order seen, where `keep` was asked for. */
  readonly rows: number[] = [];

  constructor(
    private readonly wasm: Wasm,
    private readonly losses: readonly OutputLoss[],
    private readonly keep = false,
  ) {
    this.sums = losses.map(() => ({ error: 0, weight: 0 }));
  }

  /** @throws KappaError when the two runs disagree on an output's shape */
  add(reference: Readonly<Record<string, Tensor>>, other: Readonly<Record<string, Tensor>>): void {
    this.losses.forEach((loss, i) => {
      const p = reference[loss.output];
      const q = other[loss.output];
      if (!p || !q || p.dims.join() !== q.dims.join())
        throw new KappaError('model', `output ${loss.output}: expected shape [${p?.dims}], found [${q?.dims}]`);
      const sum = this.sums[i]!;
      if (loss.loss === 'kl') this.addDivergence(sum, p, q, loss.probabilities);
      else this.addSquares(sum, p, q);
    });
  }

  /** Mean damage so far, in 0..DAMAGE_CAP. */
  read(): number {
    let total = 0;
    // An error where the reference is zero throughout has no bound.
    for (const { error, weight } of this.sums) total += error === 0 ? 0 : error / weight;
    const mean = total / this.sums.length;
    return Number.isFinite(mean) ? Math.min(DAMAGE_CAP, Math.max(0, mean)) : DAMAGE_CAP;
  }

  /** What was added up so far, error and weight of each loss in turn: for `restore`. */
  state(): number[] {
    return this.sums.flatMap(({ error, weight }) => [error, weight]);
  }

  /** Takes up a state. @throws RangeError for one of other losses */
  restore(state: readonly number[]): void {
    if (state.length !== 2 * this.sums.length)
      throw new RangeError(`damage so far: expected ${2 * this.sums.length} numbers, found ${state.length}`);
    this.sums.forEach((sum, i) => {
      sum.error = state[2 * i]!;
      sum.weight = state[2 * i + 1]!;
    });
  }

  private addDivergence(sum: { error: number; weight: number }, p: Tensor, q: Tensor, probabilities: boolean): void {
    const cols = p.dims.at(-1) ?? 1;
    const rows = cols === 0 ? 0 : p.data.length / cols;
    const { arena, k } = this.wasm;
    arena.scope((alloc) => {
      const a = alloc(4 * rows * cols);
      const b = alloc(4 * rows * cols);
      const out = alloc(8 * rows);
      arena.put(a, p.data);
      arena.put(b, q.data);
      (probabilities ? k.kl_probability_rows : k.kl_rows)(a, b, rows, cols, out);
      const kl = arena.f64(out, rows);
      for (let r = 0; r < rows; r++) sum.error += kl[r]!;
      if (this.keep) for (let r = 0; r < rows; r++) this.rows.push(kl[r]!);
    });
    sum.weight += rows;
  }

  private addSquares(sum: { error: number; weight: number }, p: Tensor, q: Tensor): void {
    const n = p.data.length;
    const { arena, k } = this.wasm;
    arena.scope((alloc) => {
      const a = alloc(4 * n);
      const b = alloc(4 * n);
      const out = alloc(16);
      arena.put(a, p.data);
      arena.put(b, q.data);
      k.squared_distance(a, b, n, out);
      k.sum_squares(a, n, out + 8);
      const [error, weight] = arena.f64(out, 2) as unknown as [number, number];
      sum.error += error;
      sum.weight += weight;
    });
  }
}
