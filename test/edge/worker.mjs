// A worker that offers Kappa's edge door to test/edge/edge.test.ts: dist/edge.js lies beside it as a module.
import * as kappa from './edge.js';

const wasm = await kappa.loadKernels();

/** What each path does with the parts of the form that is posted. */
const ROUTES = {
  async '/quantize'({ model, calibration, options }) {
    const data = kappa.datasetFromArrays(kappa.readNpz(calibration));
    const { bytes } = await kappa.quantize(wasm, model, { ...options, calibration: data });
    return new Response(bytes, { headers: { 'x-memory': String(wasm.arena.memory.buffer.byteLength) } });
  },
  async '/run'({ model, input }) {
    const outputs = await kappa.runModel(wasm, kappa.readModel(model), kappa.readNpz(input));
    return new Response(kappa.writeNpz(outputs));
  },
  async '/named'({ model }) {
    const read = kappa.readModel(model);
    const nodes = read.graph.nodes.map(({ opType, inputs, outputs, attributes }, i) =>
      kappa.makeNode(opType, inputs, outputs, attributes, { name: `${'ä'.repeat(50)}${i}` }),
    );
    const graph = { ...read.graph, wire: undefined, nodes };
    return new Response(kappa.writeModel({ ...read, wire: undefined, graph }));
  },
  async '/names'() {
    return Response.json({ names: Object.keys(kappa).sort(), threads: wasm.threads, build: wasm.build });
  },
  /** What the platform says to bytes that are to be compiled, and what the door says to a build it has not. */
  async '/refused'() {
    const refusal = (made) => made.then(String, (error) => `${error.name}: ${error.message}`);
    const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    return Response.json({
      bytes: await refusal(WebAssembly.compile(empty)),
      text: await refusal((async () => new Function('return 1')())()),
      build: await refusal(kappa.loadKernels({ build: 'relaxed' })),
    });
  },
};

async function partsOf(request) {
  if (request.method !== 'POST') return {};
  const parts = {};
  for (const [name, value] of await request.formData())
    parts[name] = typeof value === 'string' ? JSON.parse(value) : new Uint8Array(await value.arrayBuffer());
  return parts;
}

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    try {
      const route = ROUTES[pathname];
      return route ? await route(await partsOf(request)) : new Response('not found', { status: 404 });
    } catch (error) {
      return new Response(`${error.name}: ${error.message}`, { status: 500 });
    }
  },
};
