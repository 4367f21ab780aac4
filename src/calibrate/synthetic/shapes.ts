import type { InputKind } from './inputs.ts';

/** Sizes tried where a model leaves them open, in this order; a model that takes none of them is refused. */
const PICTURES: readonly (readonly [height: number, width: number])[] = [
  [64, 64],
  [32, 32],
  [224, 224],
  [28, 28],
  [128, 128],
  [256, 256],
  [48, 192],
  [320, 320],
];
/** The longest first: rows of a table of positions that nothing reaches are rows nothing is known of. */
const SEQUENCES: readonly number[] = [128, 64, 32, 16, 77, 8, 1, 512];
const SIGNALS: readonly number[] = [512, 1536, 8000, 16000, 256, 32, 80, 1];

/** Each size with unnamed ones taken for lengths, then with those of inputs of three axes taken for samples at once. */
export const ATTEMPTS = 2 * PICTURES.length;

/** A shape for every input, samples at once first; the same symbol has the same size everywhere. */
export function shapesOf(kinds: readonly InputKind[], attempt: number): Map<string, number[]> {
  const symbols = new Map<string, number>();
  // The symbol that counts samples may stand elsewhere in other inputs.
  for (const { dims } of kinds) if (typeof dims[0] === 'string' && dims[0] !== '') symbols.set(dims[0], 1);
  const at = attempt % PICTURES.length;
  const [sequence, signal, picture] = [SEQUENCES[at]!, SIGNALS[at]!, PICTURES[at]!];
  const samplesInside = attempt >= PICTURES.length;
  const shapes = new Map<string, number[]>();
  for (const kind of kinds) {
    const { name, dims } = kind;
    const integer = kind.rows !== undefined || /int|bool/.test(kind.dtype);
    const shape = dims.map((d, axis) => {
      if (typeof d === 'number') return d;
      const known = d ? symbols.get(d) : undefined;
      if (known !== undefined) return known;
      let size = 1;
      if (axis > 0 && !(samplesInside && !d && dims.length === 3)) {
        if (kind.picture?.axis === axis) size = kind.picture.channels;
        else if (dims.length === 4) size = picture[axis - (kind.picture?.axis === 3 ? 1 : 2)] ?? sequence;
        else size = dims.length === 2 && !integer ? signal : sequence;
      } else if (dims.length === 1) size = integer ? 1 : signal;
      if (d) symbols.set(d, size);
      return size;
    });
    shapes.set(name, shape);
  }
  return shapes;
}

/** The shape for n samples at once, where the first axis counts them. */
export function batched(dims: readonly number[], n: number): number[] {
  return [n * dims[0]!, ...dims.slice(1)];
}
