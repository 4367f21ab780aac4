/**
 * ResNet-18 at full size (He et al. 2016, table 1): 3 x 224 x 224 in, 1,000 classes out, 11.7 million weights, as an exporter
 * writes it for inference: BatchNormalization folded into the convolutions, which have a bias.
 */
import { type Attribute, makeNode, type Node } from '../../src/node.ts';
import { int, ints, modelFile, type Part } from './models.ts';
import { normals, random } from './random.ts';

export interface ConvShape {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  /** Rows and columns of the input, which is square. */
  readonly size: number;
  /** How many of the network's convolutions have this shape. */
  readonly count: number;
}

/** The shapes of its 20 convolutions on an image of 224 x 224. */
export const RESNET18_CONVOLUTIONS: readonly ConvShape[] = [
  { inChannels: 3, outChannels: 64, kernel: 7, stride: 2, size: 224, count: 1 },
  { inChannels: 64, outChannels: 64, kernel: 3, stride: 1, size: 56, count: 4 },
  { inChannels: 64, outChannels: 128, kernel: 3, stride: 2, size: 56, count: 1 },
  { inChannels: 64, outChannels: 128, kernel: 1, stride: 2, size: 56, count: 1 },
  { inChannels: 128, outChannels: 128, kernel: 3, stride: 1, size: 28, count: 3 },
  { inChannels: 128, outChannels: 256, kernel: 3, stride: 2, size: 28, count: 1 },
  { inChannels: 128, outChannels: 256, kernel: 1, stride: 2, size: 28, count: 1 },
  { inChannels: 256, outChannels: 256, kernel: 3, stride: 1, size: 14, count: 3 },
  { inChannels: 256, outChannels: 512, kernel: 3, stride: 2, size: 14, count: 1 },
  { inChannels: 256, outChannels: 512, kernel: 1, stride: 2, size: 14, count: 1 },
  { inChannels: 512, outChannels: 512, kernel: 3, stride: 1, size: 7, count: 3 },
];

/** Attributes of a square convolution that keeps the size but for its stride. */
export function convAttributes(kernel: number, stride: number): Record<string, Attribute> {
  const pad = kernel >> 1;
  return {
    kernel_shape: ints([kernel, kernel]),
    strides: ints([stride, stride]),
    pads: ints([pad, pad, pad, pad]),
    dilations: ints([1, 1]),
    group: int(1),
  };
}

class Writer {
  readonly nodes: Node[] = [];
  readonly constants: Part[] = [];
  private readonly next;

  constructor(seed: number) {
    this.next = random(seed);
  }

  node(op: string, inputs: readonly string[], output: string, attributes: Record<string, Attribute> = {}): string {
    this.nodes.push(makeNode(op, inputs, [output], attributes, { name: output }));
    return output;
  }

  constant(name: string, dims: readonly number[], deviation: number): string {
    const data = normals(
      dims.reduce((n, d) => n * d, 1),
      this.next,
      deviation,
    );
    this.constants.push({ name, tensor: { dtype: 'float', dims, data } });
    return name;
  }

  /** `gain` 1 keeps the variance of what a Relu let through (He et al. 2015). */
  conv(x: string, name: string, from: number, to: number, kernel: number, stride: number, gain = 1): string {
    const weight = this.constant(
      `${name}.weight`,
      [to, from, kernel, kernel],
      gain * Math.sqrt(2 / (from * kernel ** 2)),
    );
    const bias = this.constant(`${name}.bias`, [to], 0.05);
    return this.node('Conv', [x, weight, bias], name, convAttributes(kernel, stride));
  }

  block(x: string, name: string, from: number, to: number, stride: number): string {
    const first = this.node('Relu', [this.conv(x, `${name}.conv1`, from, to, 3, stride)], `${name}.relu1`);
    const second = this.conv(first, `${name}.conv2`, to, to, 3, 1, 0.5);
    const short = from === to && stride === 1 ? x : this.conv(x, `${name}.downsample`, from, to, 1, stride, 0.7);
    return this.node('Relu', [this.node('Add', [second, short], `${name}.add`)], `${name}.relu2`);
  }
}

/**
 * The file, its weights drawn from a seed. Input `image` [N, 3, size, size], output `logits` [N, 1000]; the size of the image
 * is part of the file's types alone.
 */
export function resnet18(seed = 18, size = 224): Uint8Array {
  const w = new Writer(seed);
  let x = w.node('Relu', [w.conv('image', 'conv1', 3, 64, 7, 2)], 'relu');
  x = w.node('MaxPool', [x], 'maxpool', {
    kernel_shape: ints([3, 3]),
    strides: ints([2, 2]),
    pads: ints([1, 1, 1, 1]),
  });
  let from = 64;
  [64, 128, 256, 512].forEach((to, stage) => {
    for (let i = 0; i < 2; i++) {
      x = w.block(x, `layer${stage + 1}.${i}`, from, to, stage > 0 && i === 0 ? 2 : 1);
      from = to;
    }
  });
  x = w.node('Flatten', [w.node('GlobalAveragePool', [x], 'avgpool')], 'flatten', { axis: int(1) });
  const weight = w.constant('fc.weight', [1000, 512], Math.sqrt(1 / 512));
  w.node('Gemm', [x, weight, w.constant('fc.bias', [1000], 0.05)], 'logits', { transB: int(1) });
  return modelFile(
    w.nodes,
    w.constants,
    [{ name: 'image', dtype: 'float', dims: ['N', 3, size, size] }],
    [{ name: 'logits', dtype: 'float', dims: ['N', 1000] }],
  );
}
