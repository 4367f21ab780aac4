// A worker of the core door alone, for test/edge/edge.test.ts: the job and rare operators are modules that it loads when they are needed.
import * as core from './core.js';
import kernels from './kernels.wasm';

const wasm = await core.Wasm.create(kernels);

export default {
  async fetch(request) {
    try {
      const form = await request.formData();
      const model = new Uint8Array(await form.get('model').arrayBuffer());
      const x = core.tensor('float', JSON.parse(form.get('dims')), new Float32Array(await form.get('x').arrayBuffer()));
      const calibration = core.datasetFromArrays(new Map([['x', x]]));
      const { bytes } = await core.quantize(wasm, model, { ...JSON.parse(form.get('options')), calibration });
      return new Response(bytes);
    } catch (error) {
      return new Response(`${error.name}: ${error.message}`, { status: 500 });
    }
  },
};
