import type { Attribute, Graph, Model, Node } from '../../src/onnx/index.ts';
import { withGraph } from '../../src/onnx/index.ts';

/** The model marked as changed, with every element's bytes still there. */
export function rewritten(model: Model): Model {
  return withGraph(model, {});
}

/** Fields of a message, sorted: 'number:content in hex'; those of a model's graph one level deeper. */
export function fieldsOf(bytes: Uint8Array, deep = true): string[] {
  const out: string[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const b = bytes[at++]!;
      value += (b & 127) * scale;
      if (b < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag & 7;
    let start = at;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else {
      const length = varint();
      start = at;
      at += length;
    }
    const content = bytes.subarray(start, at);
    const number = Math.floor(tag / 8);
    if (number === 7 && wire === 2 && deep) out.push(`7:${fieldsOf(content, false).join(' ')}`);
    else out.push(`${number}:${Buffer.from(content).toString('hex')}`);
  }
  return out.sort();
}

/** Everything a model says, without the bytes it came in. */
export function plain(model: Model): unknown {
  return {
    irVersion: model.irVersion,
    opsets: [...model.opsets].sort(),
    producer: model.producer,
    graph: plainGraph(model.graph),
    functions: model.functions.map((f) => ({ ...f, opsets: [...f.opsets], nodes: f.nodes.map(plainNode), wire: 0 })),
    rest: fieldsOf(model.rest, false),
  };
}

function plainGraph(g: Graph): unknown {
  return {
    name: g.name,
    nodes: g.nodes.map(plainNode),
    initializers: g.initializers.map((t) => ({ name: t.name, dataType: t.dataType, dims: t.dims, data: dataOf(t) })),
    inputs: g.inputs.map((v) => ({ ...v, wire: 0 })),
    outputs: g.outputs.map((v) => ({ ...v, wire: 0 })),
    valueInfo: g.valueInfo.map((v) => ({ ...v, wire: 0 })),
  };
}

function dataOf(t: { tensor(): { data: unknown } }): unknown {
  try {
    return t.tensor().data;
  } catch (error) {
    return String((error as Error).name);
  }
}

function plainNode(n: Node): unknown {
  return { ...n, wire: 0, attributes: [...n.attributes].map(([name, a]) => [name, a.type, plainValue(a)]) };
}

function plainValue(a: Attribute): unknown {
  if (a.type === 'graph') return plainGraph(a.value);
  if (a.type === 'tensor') return dataOf({ tensor: () => a.value });
  return a.value;
}
