import * as assert from 'uvu/assert';
import { writeModel } from '../../../src/onnx/index.ts';
import type { Tensor } from '../../../src/tensor.ts';
import { feedsOf, firstDifference, modelOf, runHere, runOrt } from '../compare.ts';
import { Draw, type Family, type Sample } from './draw.ts';

/**
 * Environment: DIFFERENTIAL multiplies the draws of every operator, DIFFERENTIAL_OP keeps to operators of these names
 * (separated by commas), DIFFERENTIAL_ALL=1 goes on after a disagreement and prints all of them and what onnxruntime refused.
 */
const TIMES = Number(process.env.DIFFERENTIAL ?? 1);
const ONLY = process.env.DIFFERENTIAL_OP?.split(',');
const ALL = process.env.DIFFERENTIAL_ALL === '1';
const SEED = Number(process.env.DIFFERENTIAL_SEED ?? 1);

/** What onnxruntime says of a node it has no implementation of: nothing to compare with. */
const ABSENT =
  /not.implemented|could not find an implementation|type error|under development|not a registered|unsupported|failed to find kernel|not supported for autopad/i;

const rtolOf = (t: Tensor): number => (t.dtype === 'float16' ? 4e-3 : t.dtype === 'bfloat16' ? 2e-2 : 2e-5);

function show(t: Tensor | undefined): string {
  if (t === undefined) return '-';
  const values = t.data.length <= 12 ? ` {${[...t.data].join(' ')}}` : '';
  return `${t.dtype}[${t.dims}]${values}`;
}

/** The node in one line. */
export function describe(op: string, s: Sample): string {
  const attributes = Object.entries(s.attributes ?? {}).map(
    ([k, a]) => `${k}=${JSON.stringify(a.value, (_, v) => (typeof v === 'bigint' ? Number(v) : v))}`,
  );
  return `${op}-${s.c?.opset ?? 17} ${s.inputs.map(show).join(' ')} ${attributes.join(' ')} ${s.c?.constants ? `constants ${s.c.constants}` : ''}`;
}

interface Tally {
  compared: number;
  refused: number;
  /** Refusals printed. */
  told: number;
}

/** One node, run here and by onnxruntime; undefined where they agree. */
async function difference(op: string, s: Sample, tally: Tally): Promise<string | undefined> {
  let expected: Record<string, Tensor>;
  try {
    const model = modelOf(op, s.inputs, s.attributes ?? {}, s.c ?? {});
    expected = await runOrt(writeModel(model), feedsOf(s.inputs, s.c ?? {}));
  } catch (e) {
    tally.refused++;
    if (ALL && !ABSENT.test((e as Error).message) && ++tally.told <= 2)
      console.log(`refused ${describe(op, s)}\n   ${(e as Error).message.slice(0, 300)}`);
    return undefined;
  }
  tally.compared++;
  let actual: Tensor[];
  try {
    actual = runHere(op, s.inputs, s.attributes ?? {}, s.c ?? {});
  } catch (e) {
    return (e as Error).message;
  }
  for (const [i, t] of actual.entries()) {
    const want = expected[`y${i}`]!;
    if (t.dtype !== want.dtype) return `output ${i}: type ${t.dtype}, expected ${want.dtype}`;
    if (String(t.dims) !== String(want.dims)) return `output ${i}: shape [${t.dims}], expected [${want.dims}]`;
    if (s.steps !== undefined && !['float', 'double', 'float16'].includes(t.dtype)) {
      const at = [...t.data].findIndex((v, j) => Math.abs(Number(v) - Number(want.data[j])) > s.steps!);
      if (at >= 0) return `output ${i}, element ${at}: ${t.data[at]}, expected ${want.data[at]}`;
      continue;
    }
    const d = firstDifference(t, want, s.c?.rtol ?? rtolOf(t), s.c?.atol ?? rtolOf(t) / 2);
    if (d !== undefined) return `output ${i}, ${d}`;
  }
  return undefined;
}

function seedOf(name: string): number {
  let h = 2166136261 ^ SEED;
  for (const c of name) h = Math.imul(h ^ c.charCodeAt(0), 16777619);
  return h >>> 0;
}

/** Draws `count` nodes of every operator of the family and compares; some of each must have been comparable. */
export async function compareFamily(family: Family, count: number): Promise<void> {
  for (const [name, generate] of Object.entries(family)) {
    if (ONLY && !ONLY.includes(name)) continue;
    const d = new Draw(seedOf(name));
    const tally = { compared: 0, refused: 0, told: 0 };
    let wrong = 0;
    for (let i = 0; i < count * TIMES; i++) {
      const sample = generate(d);
      const op = sample.op ?? name.replace(/_.*/, '');
      const found = await difference(op, sample, tally);
      if (found === undefined) continue;
      if (!ALL) assert.unreachable(`${describe(op, sample)}: ${found}`);
      if (++wrong <= 6) console.log(`WRONG ${describe(op, sample)}\n   ${found}`);
    }
    if (ALL) console.log(`${name}: ${tally.compared} compared, ${tally.refused} refused, ${wrong} wrong`);
    assert.ok(tally.compared > 0, `${name}: onnxruntime ran none of ${tally.refused} nodes`);
  }
}
