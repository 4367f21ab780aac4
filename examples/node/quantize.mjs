// Makes a model small:
//
//   node quantize.mjs MODEL.onnx DATA.npz OUT.onnx [BITS]
//
// DATA.npz holds arrays named like the model's inputs; their first axis counts samples. A few hundred are plenty.
import { readFile, writeFile } from 'node:fs/promises';
import { KappaError, loadKernels, openDataset, quantize } from 'kappa-onnx';

const [modelPath, dataPath, outPath, bits = '4'] = process.argv.slice(2);
if (!outPath) {
  console.error('usage: node quantize.mjs MODEL.onnx DATA.npz OUT.onnx [BITS]');
  process.exit(2);
}

try {
  // The kernels do all the arithmetic: one WebAssembly file, the same results on every machine.
  const wasm = await loadKernels();
  const model = await readFile(modelPath);

  const { bytes, report } = await quantize(wasm, model, {
    name: modelPath, // what messages call it
    bits: Number(bits), // on average, scales and zero points counted
    calibration: await openDataset(dataPath),
    samples: 128, // of the data: more take longer and measure finer
  });
  await writeFile(outPath, bytes);

  for (const layer of report.layers) console.log(`${layer.name}: ${layer.params} weights in ${layer.bytes} bytes`);
  console.log(`damage, measured with all layers together: ${report.damage.together} ${report.unit}`);
  console.log(`${outPath}: ${model.length} -> ${bytes.length} bytes`);
} catch (error) {
  // Whatever is wrong with what was brought is a KappaError, and its message is one line for people.
  if (!(error instanceof KappaError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
