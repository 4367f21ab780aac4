// The work, off the page's thread: bytes in, bytes out. Vite finds kernels.wasm by itself and takes it along.
import { datasetFromArrays, loadKernels, quantize, readNpz } from 'kappa-onnx';

const kernels = loadKernels();

addEventListener('message', async ({ data: { model, data, bits } }) => {
  try {
    const { bytes } = await quantize(await kernels, new Uint8Array(model), {
      bits,
      calibration: datasetFromArrays(readNpz(new Uint8Array(data))),
      samples: 64,
      progress: (stage, done, total) => postMessage({ stage, done, total }),
    });
    postMessage({ bytes }, [bytes.buffer]);
  } catch (error) {
    // One line that says what is wrong with the model, the data or the budget.
    postMessage({ error: error.message });
  }
});
