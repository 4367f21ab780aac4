import { int, join8, len, node, opset, tensorProto, valueInfo } from './build.ts';

/** `layers` products with square matrices of `size`, one after the other in the file `location`, from x to y [N, size]. */
export function externalModel(layers: number, size: number, location: string): Uint8Array {
  const entry = (key: string, value: string) => len(13, join8(len(1, key), len(2, value)));
  const parts: Uint8Array[] = [];
  for (let i = 0; i < layers; i++) {
    const names = [i === 0 ? 'x' : `h${i}`, i === layers - 1 ? 'y' : `h${i + 1}`];
    parts.push(len(1, node('MatMul', [names[0]!, `w${i}`], [names[1]!])));
    const place = [
      entry('location', location),
      entry('offset', `${4 * i * size * size}`),
      entry('length', `${4 * size * size}`),
    ];
    parts.push(len(5, tensorProto(`w${i}`, 1, [size, size], ...place, int(14, 1))));
  }
  const ends = [len(11, valueInfo('x', 1, ['N', size])), len(12, valueInfo('y', 1, ['N', size]))];
  return join8(int(1, 8), len(2, 'test'), len(7, join8(...parts, len(2, 'g'), ...ends)), opset(17));
}
