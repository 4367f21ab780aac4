/** Every convolution of ResNet-18, and their sum. */
import { type BenchCase, type Group, sideOf } from '../lab.ts';
import { difference } from '../measure.ts';
import { floatTensor, oneNode } from '../models.ts';
import { TFJS, tfjsConv } from '../peers/tfjs.ts';
import { normals, random } from '../random.ts';
import { type ConvShape, convAttributes, RESNET18_CONVOLUTIONS } from '../resnet18.ts';
import { modelCase } from './model.ts';

const nameOf = ({ kernel, stride, inChannels, outChannels, size }: ConvShape): string =>
  `conv ${kernel}x${kernel}/${stride} ${inChannels}->${outChannels} at ${size}`;

const outSize = ({ size, stride }: ConvShape): number => Math.ceil(size / stride);

/** [channels, plane] from [plane, channels]. */
function channelsFirst(x: Float32Array, channels: number): Float32Array {
  const plane = x.length / channels;
  const y = new Float32Array(x.length);
  for (let i = 0; i < plane; i++) for (let c = 0; c < channels; c++) y[c * plane + i] = x[i * channels + c]!;
  return y;
}

function convCase(shape: ConvShape): BenchCase {
  const { inChannels, outChannels, kernel, stride, size } = shape;
  const make = () => {
    const next = random(inChannels + outChannels + kernel);
    const x = floatTensor([1, inChannels, size, size], normals(inChannels * size * size, next));
    const dims = [outChannels, inChannels, kernel, kernel];
    const fanIn = inChannels * kernel * kernel;
    const weight = floatTensor(dims, normals(outChannels * fanIn, next, Math.sqrt(2 / fanIn)));
    const bias = floatTensor([outChannels], normals(outChannels, next, 0.05));
    const model = oneNode({
      op: 'Conv',
      inputs: [{ tensor: x }, { tensor: weight, constant: true }, { tensor: bias, constant: true }],
      attributes: convAttributes(kernel, stride),
      output: { dtype: 'float', dims: [1, outChannels, outSize(shape), outSize(shape)] },
    });
    return { x, weight, bias, ...model };
  };
  return modelCase({
    name: nameOf(shape),
    make,
    tolerance: 1e-4,
    others: {
      peers: [TFJS],
      sides: async (_, ours) => {
        const { x, weight, bias } = make();
        let close = () => {};
        const side = await sideOf(TFJS, 1e-4, async () => {
          const conv = await tfjsConv(shape, x, weight, bias);
          close = conv.close;
          const theirs = channelsFirst(conv.call(), outChannels);
          return { work: conv.call, difference: difference(ours.data as Float32Array, theirs) };
        });
        return { sides: [side], close: () => close() };
      },
    },
  });
}

export const conv: Group = {
  name: 'conv',
  cases: RESNET18_CONVOLUTIONS.map(convCase),
  sums: [
    {
      name: 'conv resnet18 sum',
      of: new Map(RESNET18_CONVOLUTIONS.map((shape) => [nameOf(shape), shape.count])),
    },
  ],
};
