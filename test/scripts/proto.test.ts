import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { build } from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { usedMessages, usedOf } from '../../scripts/proto.mjs';
import * as whole from '../../src/onnx/index.ts';
import type { Attribute, Graph, Model } from '../../src/onnx/model.ts';
import { DATA_TYPES, tensor } from '../../src/tensor.ts';
import { network } from '../e2e/command.ts';
import { modelPath, ROOT, random } from '../helpers.ts';

type Onnx = typeof whole;

/** src/onnx as bundles have it. */
async function bundled(): Promise<Onnx> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/onnx/index.ts'],
    bundle: true,
    format: 'esm',
    write: false,
    plugins: [usedMessages],
  });
  return (await import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString('base64')}`
  )) as Onnx;
}

const small = await bundled();

/** All that a model says, tensors by their elements. */
function said(model: Model): unknown {
  const graph = ({ nodes, initializers, inputs, outputs, valueInfo, name }: Graph): unknown => ({
    name,
    nodes: nodes.map(({ wire: _, attributes, ...node }) => ({
      ...node,
      attributes: [...attributes].map(([key, a]) => [key, a.type, a.type === 'graph' ? graph(a.value) : a.value]),
    })),
    initializers: initializers.map((t) => [t.name, t.dataType, t.dims, t.external ?? t.tensor().data]),
    values: [inputs, outputs, valueInfo].map((list) => list.map(({ wire: _, ...v }) => v)),
  });
  const { irVersion, opsets, producer, functions } = model;
  const inner = functions.map(({ wire: _, nodes, ...f }) => ({ ...f, nodes: nodes.length }));
  return { irVersion, opsets: [...opsets], producer, graph: graph(model.graph), functions: inner };
}

/** What becomes of bytes: what they say, and the model written anew, or the words of the error. */
function outcome(onnx: Onnx, bytes: Uint8Array): unknown {
  try {
    const model = onnx.readModel(bytes);
    const nodes = model.graph.nodes.map((n) => onnx.withNode(n, { name: `${n.name}'` }));
    return { said: said(model), written: onnx.writeModel(onnx.withGraph(model, { nodes })) };
  } catch (error) {
    return (error as Error).message;
  }
}

/** A model with attributes of every type, int64 at its limits, an initializer of every type, shapes of every kind. */
function everything(): Uint8Array {
  const base = whole.readModel(network());
  const t = tensor('float', [2], Float32Array.of(1.5, -0));
  const attributes: Record<string, Attribute> = {
    float: { type: 'float', value: 0.1 },
    int: { type: 'int', value: -(2 ** 63) },
    large: { type: 'int', value: 2 ** 63 },
    string: { type: 'string', value: 'é漢🙂' },
    tensor: { type: 'tensor', value: t },
    graph: { type: 'graph', value: base.graph },
    floats: { type: 'floats', value: [1e-40, Number.POSITIVE_INFINITY] },
    ints: { type: 'ints', value: [0, -1, 127, 128, 2 ** 31, -(2 ** 31), 2 ** 53 - 1] },
    strings: { type: 'strings', value: ['', 'a'.repeat(300)] },
  };
  const node = whole.makeNode('Odd', ['x'], ['y'], attributes, { domain: 'somewhere', name: 'n' });
  const value = (name: string, dims: (number | string | null)[] | undefined) => ({
    name,
    elemType: DATA_TYPES.float,
    dims,
  });
  const { initializers } = base.graph;
  const codes = whole.makeInitializer('codes', tensor('uint4', [3], Uint8Array.of(1, 2, 15)));
  return whole.writeModel(
    whole.withGraph(base, {
      nodes: [node],
      initializers: [...initializers, codes],
      inputs: [value('x', ['batch', null, 3, 2 ** 40]), value('z', undefined)],
      outputs: [value('y', [])],
      valueInfo: [],
    }),
  );
}

test('models are read and written as with the whole packages', () => {
  const files = ['mnist-mlp', 'resnet18-fashion', 'transformer-text'].map((name) =>
    readFileSync(modelPath(`${name}.onnx`)),
  );
  for (const bytes of [...files, network(), everything()]) {
    const found = outcome(whole, bytes);
    assert.type(found, 'object', String(found));
    assert.ok(isDeepStrictEqual(outcome(small, bytes), found));
  }
});

test('damaged models are refused in the same words', () => {
  const next = random(7);
  const sound = everything();
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    const bytes = sound.slice(0, next() < 0.3 ? Math.floor(next() * sound.length) : sound.length);
    for (let k = 0; k < 1 + next() * 4; k++) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
    const found = outcome(whole, bytes);
    if (typeof found === 'string') refused++;
    assert.ok(isDeepStrictEqual(outcome(small, bytes), found), `damage ${i}`);
  }
  assert.ok(refused > 50 && refused < 400, String(refused));
});

test('what is left of the packages is a fraction of them', () => {
  for (const [name, share] of [
    ['onnx-proto/dist/onnx.js', 0.5],
    ['protobufjs/src/reader.js', 0.7],
    ['protobufjs/src/writer.js', 0.8],
  ] as const) {
    const file = join(ROOT, 'node_modules', name);
    const source = readFileSync(file, 'utf8');
    const left = usedOf(file, source);
    assert.ok(left.length < share * source.length, `${name}: ${left.length} of ${source.length}`);
  }
  assert.is(usedOf(join(ROOT, 'src', 'index.ts'), 'const a = 1;'), 'const a = 1;');
});

test.run();
