import { withInitializers, findLayers } from './src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo, writeModel } from './src/onnx/index.ts';
import { PrecisionAwareQuantizer } from './src/quantize/index.ts';
import { tensor } from './src/tensor.ts';
import { loadWasm, normals, random } from './test/helpers.ts';
import { model, planFor, weights } from './test/quantize/models.ts';
import { runIn } from './test/quantize/run.ts';
const wasm = await loadWasm();
for (const [k, n] of [[24,12],[24,16],[32,16],[64,32],[128,128],[256,64],[23,16],[24,11],[128, 126], [100, 128]]) {
  const m = model({ nodes: [makeNode('MatMul', ['x','w'], ['y'])], initializers: [makeInitializer('w', weights([k,n], 3))], inputs: [makeValueInfo('x','float',[5,k])], outputs: [makeValueInfo('y','float',undefined)] }, 25);
  const feeds = { x: tensor('float', [5,k], normals(5*k, random(4), 1)) };
  const line = [];
  for (const [granularity, symmetric] of [['channel', false], ['channel', true], ['tensor', false], [32, false]] as const) for (const rt of ['node','web'] as const) {
    const r = new PrecisionAwareQuantizer(wasm, { clip: 'max' }).quantizeModel(m, planFor(m, () => ({ bits: 2, granularity, symmetric, format: 'qdq' })));
    const fl = withInitializers(m, r.layers.map((l) => makeInitializer(l.weight, l.values)));
    const e = (await runIn(rt, writeModel(fl), feeds)).y, f = (await runIn(rt, writeModel(r.model), feeds)).y;
    line.push(`${granularity}${symmetric?'s':'a'} ${rt} ${Math.max(...e.map((v,j)=>Math.abs(v-f[j]))).toExponential(1)}`);
  }
  console.log(k, n, line.join(' | '));
}
