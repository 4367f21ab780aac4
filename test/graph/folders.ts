import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UnsupportedError } from '../../src/errors.ts';
import { Session } from '../../src/graph/index.ts';
import { readModel, readTensorProto } from '../../src/onnx/index.ts';
import type { Tensor } from '../../src/tensor.ts';
import type { Wasm } from '../../src/wasm/wasm.ts';
import { firstDifference } from '../ops/compare.ts';

/** ONNX test-case folders: model.onnx and test_data_set_N/input_I.pb, output_I.pb. */

export type Outcome =
  | { readonly status: 'passed' }
  | { readonly status: 'failed' | 'unsupported'; readonly reason: string };

function tensors(folder: string, kind: string): Tensor[] {
  const out: Tensor[] = [];
  for (let i = 0; existsSync(join(folder, `${kind}_${i}.pb`)); i++) {
    const bytes = readFileSync(join(folder, `${kind}_${i}.pb`));
    out.push(readTensorProto(bytes, `${kind}_${i}.pb`).tensor);
  }
  return out;
}

/** One folder. Unsupported is what Kappa says it does not run; everything else that is not right has failed. */
export function runFolder(folder: string, wasm: Wasm, rtol = 1e-3, atol = 1e-7): Outcome {
  let session: Session | undefined;
  try {
    session = new Session(readModel(readFileSync(join(folder, 'model.onnx'))), wasm);
    for (const set of readdirSync(folder).filter((n) => n.startsWith('test_data_set_'))) {
      const inputs = tensors(join(folder, set), 'input');
      const expected = tensors(join(folder, set), 'output');
      const feeds = Object.fromEntries(
        session.inputs.map((v, i) => [v.name, inputs[i]!] as const).filter(([, t]) => t),
      );
      const actual = session.run(feeds);
      for (const [i, want] of expected.entries()) {
        const got = actual[session.outputs[i]!.name]!;
        if (got.dtype !== want.dtype) return failed(`output ${i}: type ${got.dtype}, expected ${want.dtype}`);
        if (String(got.dims) !== String(want.dims))
          return failed(`output ${i}: shape [${got.dims}], expected [${want.dims}]`);
        const difference = firstDifference(got, want, rtol, atol);
        if (difference !== undefined) return failed(`output ${i}, ${difference}`);
      }
    }
    return { status: 'passed' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return error instanceof UnsupportedError ? { status: 'unsupported', reason } : failed(reason);
  } finally {
    session?.dispose();
  }
}

function failed(reason: string): Outcome {
  return { status: 'failed', reason };
}
