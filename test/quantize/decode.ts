import * as assert from 'uvu/assert';
import type { PlanLayer } from '../../src/allocate/types.ts';
import { withInitializers } from '../../src/graph/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { makeInitializer, writeModel } from '../../src/onnx/index.ts';
import { FORMATS, PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { loadWasm } from '../helpers.ts';
import { CASES, type Case, planFor, separateLayers } from './models.ts';
import { RUNTIMES, type Runtime, runHere, runIn } from './run.ts';

const wasm = await loadWasm();

interface Variant {
  readonly plan: Partial<PlanLayer>;
  /** Index in CASES. */
  readonly which: number;
}

/** Which of the operators each variant is tried with: all, or those of even or odd number in turn. */
export type Share = 'all' | 'even' | 'odd' | 'few';

/** Every width, granularity and kind that a format writes in a model of that opset; `few` leaves out most granularities. */
function variants(format: string, opset: number, scaleType: 'float' | 'float16', share: Share): Variant[] {
  const f = FORMATS[format]!;
  let n = share === 'odd' ? 1 : 0;
  return f.widths.flatMap((bits) =>
    (['tensor', 'channel', 8, 5] as const).flatMap((granularity) =>
      [true, false].flatMap((symmetric) => {
        if (share === 'few' && !(symmetric ? granularity === 'channel' : granularity === 5)) return [];
        if (f.opset({ bits, granularity, symmetric, scaleType }) > opset) return [];
        n++;
        const plan = { bits, granularity, symmetric, format };
        // 2-bit codes of rows that end within a byte: see qdq.
        const refused = (c: Case) => format === 'qdq' && bits === 2 && c.dims.at(-1)! % 4 !== 0;
        return CASES.flatMap((c, which) =>
          !refused(c) && (share === 'all' || (which + n) % 2 === 0) ? [{ plan, which }] : [],
        );
      }),
    ),
  );
}

/**
 * A model whose weights are written in that format has, in both runtimes, bit for bit the outputs of the same model with
 * dequantized float weights. One session holds all variants.
 */
export async function checkDecoding(
  format: string,
  opset: number,
  scaleType: 'float' | 'float16',
  share: Share,
): Promise<void> {
  const tried = variants(format, opset, scaleType, share);
  const { model, feeds } = separateLayers(
    tried.map((v) => v.which),
    opset,
  );
  const plan = planFor(model, (i) => tried[i]!.plan);
  assert.is(plan.layers.length, tried.length);
  const result = new PrecisionAwareQuantizer(wasm, { clip: 'max', scaleType }).quantizeModel(model, plan);
  assert.is(result.model.opsets.get(''), opset);
  const floats = withInitializers(
    model,
    result.layers.map((l) => makeInitializer(l.weight, l.values)),
  );
  const run = (runtime: Runtime | 'here', m: Model) =>
    runtime === 'here' ? runHere(wasm, writeModel(m), feeds) : runIn(runtime, writeModel(m), feeds);
  for (const runtime of [...RUNTIMES, 'here'] as const) {
    const expected = await run(runtime, floats);
    const found = await run(runtime, result.model);
    for (const [i, { plan, which }] of tried.entries()) {
      const { bits, granularity, symmetric } = plan;
      const { opType, dims } = CASES[which]!;
      const what = `${runtime}: ${opType} [${dims}] at ${bits} bits, ${granularity}, ${symmetric ? '' : 'a'}symmetric`;
      const a = expected[`y${i}`]!;
      const b = found[`y${i}`]!;
      assert.is(b.length, a.length, what);
      // -0 where a zero was coded equals 0: `!==` has to see NaN only.
      const at = a.findIndex((v, j) => v !== b[j]);
      assert.is(at, -1, `${what}: output ${at}: expected ${a[at]}, found ${b[at]}`);
      assert.ok(
        a.some((v) => v !== 0),
        what,
      );
    }
  }
}
