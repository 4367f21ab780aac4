// Pictures for models that see: lines of text in a dot font, and scenes of opaque shapes.
import { type Draws, field } from '../../src/calibrate/synthetic/draws.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';

/** Letters and digits of 5 x 7 dots: seven rows from the top, the highest of five bits on the left. */
const GLYPHS: Readonly<Record<string, string>> = {
  '0': '0E11131519110E',
  '1': '040C040404040E',
  '2': '0E11010204081F',
  '3': '1F02040201110E',
  '4': '02060A121F0202',
  '5': '1F101E0101110E',
  '6': '0608101E11110E',
  '7': '1F010204080808',
  '8': '0E11110E11110E',
  '9': '0E11110F01020C',
  A: '0E11111F111111',
  B: '1E11111E11111E',
  C: '0E11101010110E',
  D: '1C12111111121C',
  E: '1F10101E10101F',
  F: '1F10101E101010',
  G: '0E11101711110F',
  H: '1111111F111111',
  I: '0E04040404040E',
  J: '0702020202120C',
  K: '11121418141211',
  L: '1010101010101F',
  M: '111B1515111111',
  N: '11111915131111',
  O: '0E11111111110E',
  P: '1E11111E101010',
  Q: '0E11111115120D',
  R: '1E11111E141211',
  S: '0F10100E01011E',
  T: '1F040404040404',
  U: '1111111111110E',
  V: '11111111110A04',
  W: '1111111515150A',
  X: '11110A040A1111',
  Y: '1111110A040404',
  Z: '1F01020408101F',
};
const LETTERS = Object.keys(GLYPHS);

const dot = (letter: string, row: number, col: number): number =>
  row < 0 || row > 6 || col < 0 || col > 4
    ? 0
    : (Number.parseInt(GLYPHS[letter]!.slice(2 * row, 2 * row + 2), 16) >> (4 - col)) & 1;

/** Letters and digits drawn by seed. */
export function word(draws: Draws, length: number): string {
  return Array.from({ length }, () => LETTERS[draws.below(LETTERS.length)]!).join('');
}

export interface Line {
  /** Levels 0..1, [height, width]. */
  readonly plane: Float32Array;
  readonly height: number;
  readonly width: number;
}

/** Writes a word into a plane, its dots `size` pixels wide, smooth at the edges, ink and ground of the given levels. */
export function print(to: Line, text: string, top: number, left: number, size: number, ink: number): void {
  for (let i = 0; i < text.length; i++) {
    const x0 = left + 6 * size * i;
    for (let y = Math.floor(top - size); y < top + 8 * size; y++)
      for (let x = Math.floor(x0 - size); x < x0 + 6 * size; x++) {
        if (y < 0 || y >= to.height || x < 0 || x >= to.width) continue;
        // Between the centres of dots, linearly; half ink is the edge.
        const v = (y + 0.5 - top) / size - 0.5;
        const u = (x + 0.5 - x0) / size - 0.5;
        const [row, col] = [Math.floor(v), Math.floor(u)];
        const [fy, fx] = [v - row, u - col];
        const at = (r: number, c: number) => dot(text[i]!, row + r, col + c);
        const level = (at(0, 0) * (1 - fx) + at(0, 1) * fx) * (1 - fy) + (at(1, 0) * (1 - fx) + at(1, 1) * fx) * fy;
        const cover = Math.min(1, Math.max(0, (level - 0.35) * 4));
        const p = y * to.width + x;
        to.plane[p] = to.plane[p]! * (1 - cover) + ink * cover;
      }
  }
}

/** A sheet with a soft shade and grain. */
export function sheet(draws: Draws, height: number, width: number, level: number): Line {
  const shade = field(draws, 'smooth', height, width);
  const plane = Float32Array.from(shade, (v) => Math.min(1, Math.max(0, level + 0.04 * v + 0.015 * draws.normal())));
  return { plane, height, width };
}

/** Three channels of one plane, a little apart in colour, as levels * scale + shift: [1, 3, H, W] or [1, H, W, channels]. */
export function coloured(
  { plane, height, width }: Line,
  draws: Draws,
  channels: number,
  last: boolean,
  scale: readonly number[],
  shift: readonly number[],
): Tensor {
  const n = height * width;
  const data = new Float32Array(channels * n);
  for (let c = 0; c < channels; c++) {
    const tint = 0.9 + 0.1 * draws.uniform();
    for (let i = 0; i < n; i++)
      data[last ? i * channels + c : c * n + i] =
        (c < 3 ? plane[i]! * tint : 1) * scale[c % scale.length]! + shift[c % shift.length]!;
  }
  return tensor('float', last ? [1, height, width, channels] : [1, channels, height, width], data);
}

/** A scene of opaque shapes, levels 0..1. */
export function scene(draws: Draws, height: number, width: number): Line {
  const plane = Float32Array.from(field(draws, 'leaves', height, width), (v) =>
    Math.min(1, Math.max(0, 0.5 + 0.25 * v + 0.02 * draws.normal())),
  );
  return { plane, height, width };
}
