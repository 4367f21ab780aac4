// A Worker that makes models smaller:
//
//   curl -F model=@model.onnx -F data=@calib.npz -F bits=4 http://localhost:8787 -o small.onnx
//
// An isolate of Cloudflare's has 128 MB for everything, and processor time as its plan says: a Worker there is for models of a megabyte or
// so (models/mnist-mlp.onnx, 0.9 MB: 70 MB and 3 s). workerd on a machine of your own has that machine's limits (models/resnet18-fashion.onnx,
// 2.8 MB: 150 MB and 10 s; models/transformer-text.onnx, 5.2 MB: 300 MB and 14 s).
import { datasetFromArrays, KappaError, loadKernels, quantize, readNpz } from 'kappa-onnx';

// The kernels are a module of the Worker's own, compiled when it was deployed; one engine serves all requests.
const kernels = await loadKernels();

export default {
  async fetch(request) {
    if (request.method !== 'POST') return new Response('POST a form with model, data and bits\n', { status: 405 });
    try {
      const form = await request.formData();
      const bytesOf = async (name) => {
        const file = form.get(name);
        if (!(file instanceof File)) throw new KappaError('usage', `expected a file named '${name}'`);
        return new Uint8Array(await file.arrayBuffer());
      };
      const { bytes, report } = await quantize(kernels, await bytesOf('model'), {
        bits: Number(form.get('bits') ?? 4),
        calibration: datasetFromArrays(readNpz(await bytesOf('data'))),
        samples: 16, // few, to stay within the time a request has
      });
      return new Response(bytes, {
        headers: { 'content-type': 'application/octet-stream', 'x-damage': String(report.damage.together) },
      });
    } catch (error) {
      // What is wrong with what was sent, or a number out of range, is the sender's to know; everything else is a bug.
      if (!(error instanceof KappaError || error instanceof RangeError)) throw error;
      return new Response(`${error.message}\n`, { status: 400 });
    }
  },
};
