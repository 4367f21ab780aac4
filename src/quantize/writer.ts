import type { Layer } from '../graph/index.ts';
import { writeModel } from '../onnx/index.ts';
import type { Graph, Node } from '../onnx/model.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder, Part } from './builder.ts';
import { type Around, type QuantizedWeight, type StoredBytes, totalBytes, type WeightFormat } from './format.ts';
import { homeOf, type Placed } from './homes.ts';
import { placed, placeOf } from './place.ts';

/** Weights of more elements are written by themselves: what their nodes take does not count. */
const LARGEST_TOGETHER = 2 ** 20;
/** Most elements of weights written together: runtimes hold them decoded to integers, all at once, while they load. */
const MOST_TOGETHER = 2 ** 22;

/** What became of one weight. */
export interface WrittenWeight {
  readonly stored: StoredBytes;
  /** All that stands in the file for it; of what it shares with the weights written with it, an equal share. */
  readonly fileBytes: number;
}

interface Member {
  readonly layer: Layer;
  readonly weight: QuantizedWeight;
}

interface Group {
  readonly format: WeightFormat;
  readonly home: Graph | undefined;
  readonly members: Member[];
  size: number;
}

/** Writes weights in their formats, together where a format does that. */
export class Writer {
  readonly parts: Placed[] = [];
  /** By weight name, once `finish` was called. */
  readonly written = new Map<string, WrittenWeight>();
  /** What stands in the place of nodes that read weights. */
  readonly replaced = new Map<Node, readonly Node[]>();
  readonly #groups = new Map<string, Group>();
  readonly #homes = new Map<Graph, number>();

  constructor(
    private readonly wasm: Wasm,
    private readonly builder: Builder,
    private readonly around: Around,
    private readonly graph: Graph,
  ) {}

  add(layer: Layer, format: WeightFormat, coded: QuantizedWeight['coded']): void {
    const weight = { name: layer.weight, ...placeOf(layer), coded };
    const member = { layer, weight };
    const { params } = layer;
    const home = format.replace ? undefined : homeOf(this.graph, layer.weight);
    const key = params > LARGEST_TOGETHER || format.replace ? undefined : format.together?.key(weight);
    if (key === undefined) {
      this.#write({ format, home, members: [member], size: params });
      return;
    }
    if (home && !this.#homes.has(home)) this.#homes.set(home, this.#homes.size + 1);
    const whole = `${format.name} ${home ? this.#homes.get(home) : 0} ${key}`;
    const group = this.#groups.get(whole);
    if (group && group.size + params <= MOST_TOGETHER) {
      group.members.push(member);
      group.size += params;
      return;
    }
    if (group) this.#write(group);
    this.#groups.set(whole, { format, home, members: [member], size: params });
  }

  /** Writes what still waits for company. */
  finish(): void {
    for (const group of this.#groups.values()) this.#write(group);
    this.#groups.clear();
  }

  #write({ format, home, members }: Group): void {
    const { wasm, builder } = this;
    const [first] = members;
    if (format.replace) {
      const { weight, layer } = first!;
      const { stored, nodes } = format.replace(wasm, builder, weight, layer, this.around);
      for (const [node, own] of nodes) this.replaced.set(node, own);
      this.#keep(members, [stored], { ...builder.take(), home }, [...nodes.values()].flat());
      return;
    }
    const stored =
      members.length > 1
        ? format.together!.write(
            wasm,
            builder,
            members.map((m) => m.weight),
          )
        : [format.write(wasm, builder, first!.weight)];
    const part = members.reduce((p, { layer, weight }) => placed(builder, p, layer, weight.dims), builder.take());
    this.#keep(members, stored, { ...part, home }, []);
  }

  #keep(members: readonly Member[], stored: readonly StoredBytes[], part: Placed, more: readonly Node[]): void {
    this.parts.push(part);
    const payload = stored.reduce((n, s) => n + totalBytes(s), 0);
    const shared = encodedBytes({ nodes: [...part.nodes, ...more], initializers: part.initializers }) - payload;
    const each = Math.floor(shared / members.length);
    members.forEach(({ layer }, i) => {
      const own = i === 0 ? shared - each * (members.length - 1) : each;
      this.written.set(layer.weight, { stored: stored[i]!, fileBytes: totalBytes(stored[i]!) + own });
    });
  }
}

/** Bytes that nodes and initializers take in a file. */
export function encodedBytes({ nodes, initializers }: Part): number {
  const size = (part: Part): number =>
    writeModel({
      irVersion: 4,
      opsets: new Map(),
      producer: '',
      graph: { name: '', ...part, inputs: [], outputs: [], valueInfo: [], rest: new Uint8Array(0) },
      functions: [],
      rest: new Uint8Array(0),
    }).length;
  let bytes = size({ nodes, initializers }) - size({ nodes: [], initializers: [] });
  // The graph's own length prefix, one byte when empty, has grown too: a byte for every 7 bits.
  for (let rest = bytes; rest >= 128; rest = Math.floor(rest / 128)) bytes--;
  return bytes;
}
