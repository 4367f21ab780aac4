/** Models with quantized weights, as Kappa writes them: against the same model in float, and against onnxruntime on the same file. */
import { findLayers, PrecisionAwareQuantizer, readModel, Session, writeModel } from '../../../src/node.ts';
import type { BenchCase, Group } from '../lab.ts';
import { kernelsOf, type Side, sideOf } from '../lab.ts';
import { normDifference, type Work } from '../measure.ts';
import { ortModel } from '../peers/ort.ts';
import { resnet18Input, trained } from './forward.ts';
import { withIntegers } from '../qdq.ts';
import { type ModelInput, outputsDiffer } from './model.ts';

const FLOAT = 'kappa, float weights';
const WEB = 'onnxruntime-web';

/** The model with every layer at that width: one scale a channel, nearest codes. */
async function quantized(bytes: Uint8Array, bits: number, format: string): Promise<Uint8Array> {
  const model = readModel(bytes);
  const layers = findLayers(model).layers.map(({ name, weight }) => ({
    name,
    weight,
    bits,
    granularity: 'channel' as const,
    symmetric: true,
    rounding: 'nearest',
    format,
  }));
  const figures = { metric: 'none', strategy: 'uniform', objective: 'none', averageBits: bits, bytes: 0, predicted: 0 };
  const quantizer = new PrecisionAwareQuantizer(await kernelsOf('plain', 1), { clip: 'mse', keepValues: false });
  return writeModel(quantizer.quantizeModel(model, { version: 1, ...figures, gap: null, layers }).model);
}

/** The form of `quantizedCase`, activations in 8 bits too: steps of a range that engines may take differently. */
function integerCase(label: string, make: () => ModelInput): BenchCase {
  return runCase(
    `forward ${label}, 8-bit weights and activations`,
    make,
    ({ bytes, feeds }) => withIntegers(bytes, feeds),
    0.1,
  );
}

/** @param tolerance how far codes of that width may take the outputs from the float model's, relative to their norm */
function quantizedCase(
  label: string,
  make: () => ModelInput,
  bits: number,
  format: string,
  tolerance: number,
): BenchCase {
  const name = `forward ${label}, ${bits}-bit weights (${format})`;
  return runCase(name, make, ({ bytes }) => quantized(bytes, bits, format), tolerance);
}

function runCase(
  name: string,
  make: () => ModelInput,
  smaller: (input: ModelInput) => Promise<Uint8Array>,
  tolerance: number,
): BenchCase {
  return {
    name,
    peers: [FLOAT, WEB],
    run: async (lab) => {
      const { bytes, feeds } = make();
      const small = await smaller({ bytes, feeds });
      const wasm = await lab.kernels();
      const [ours, float] = [new Session(readModel(small), wasm), new Session(readModel(bytes), wasm)];
      let close: () => unknown = () => {};
      try {
        const result = ours.run(feeds);
        const own: Side = await sideOf(FLOAT, tolerance, async () => ({
          work: () => float.run(feeds),
          difference: outputsDiffer(result, float.run(feeds), normDifference),
        }));
        const web: Side = await sideOf(WEB, 1e-2, async () => {
          const model = await ortModel(WEB, small, feeds);
          close = () => model.close();
          return { work: model.call as Work, difference: outputsDiffer(result, await model.run(), normDifference) };
        });
        return await lab.rows(name, () => ours.run(feeds), [own, web]);
      } finally {
        ours.dispose();
        float.dispose();
        await close();
      }
    },
  };
}

const text = () => trained('transformer-text', 'text', 'tokens', 1);

export const quantizedModels: Group = {
  name: 'quantized',
  cases: [
    quantizedCase('resnet18', resnet18Input, 8, 'qdq', 0.05),
    quantizedCase('resnet18', resnet18Input, 4, 'dense', 0.6),
    integerCase('resnet18', resnet18Input),
    quantizedCase('transformer-text', text, 8, 'qdq', 0.05),
    quantizedCase('transformer-text', text, 4, 'dense', 0.6),
  ],
};
