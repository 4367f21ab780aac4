/**
 * Seeded random numbers, the same on every JavaScript engine: a 32-bit xorshift generator (G. Marsaglia, "Xorshift RNGs", 2003).
 */
export class Draws {
  private state: number;

  /** @param seed any integer */
  constructor(seed: number) {
    this.state = (seed ^ 0x9e3779b9) >>> 0 || 1;
    // Seeds that differ in few bits start alike.
    for (let i = 0; i < 16; i++) this.uniform();
  }

  /** In (0, 1). */
  uniform(): number {
    let s = this.state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.state = s >>> 0;
    return this.state / 4294967296;
  }

  /** A whole number in 0..n-1. */
  below(n: number): number {
    return Math.min(n - 1, Math.floor(n * this.uniform()));
  }

  /** Roughly normal, mean 0, variance 1: the sum of twelve uniforms less six. */
  normal(): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.uniform();
    return sum;
  }
}

/**
 * What neighbouring places of a picture or a sound have to do with each other. `white`: nothing. `rough` and `smooth`: octaves of
 * noise, each scale's amplitude as its square root, or as itself. `leaves`: opaque rectangles and ellipses of random levels,
 * sizes with density r^-3, the dead-leaves model of natural images (A. B. Lee, D. Mumford, J. Huang, "Occlusion models for
 * natural images", IJCV 2001).
 */
export type Texture = 'white' | 'rough' | 'smooth' | 'leaves';

export const TEXTURES: readonly Texture[] = ['white', 'rough', 'smooth', 'leaves'];

/** A plane [height, width] of mean 0 and variance 1 over many draws. */
export function field(draws: Draws, texture: Texture, height: number, width: number): Float64Array {
  if (texture === 'white') return Float64Array.from({ length: height * width }, () => draws.normal());
  if (texture === 'leaves') return leaves(draws, height, width);
  return octaves(draws, height, width, texture === 'smooth');
}

function octaves(draws: Draws, height: number, width: number, smooth: boolean): Float64Array {
  const out = new Float64Array(height * width);
  let variance = 0;
  for (let scale = 1; scale <= 2 * Math.max(height, width); scale *= 2) {
    const amplitude = smooth ? scale : Math.sqrt(scale);
    const rows = Math.ceil(height / scale) + 2;
    const cols = Math.ceil(width / scale) + 2;
    const lattice = Float64Array.from({ length: rows * cols }, () => draws.normal());
    const top = draws.uniform();
    const left = draws.uniform();
    for (let y = 0; y < height; y++) {
      const v = scale === 1 ? y : y / scale + top;
      const row = Math.floor(v);
      const fy = v - row;
      for (let x = 0; x < width; x++) {
        const u = scale === 1 ? x : x / scale + left;
        const col = Math.floor(u);
        const fx = u - col;
        const at = row * cols + col;
        const upper = lattice[at]! * (1 - fx) + lattice[at + 1]! * fx;
        const lower = lattice[at + cols]! * (1 - fx) + lattice[at + cols + 1]! * fx;
        out[y * width + x]! += amplitude * (upper * (1 - fy) + lower * fy);
      }
    }
    // Between lattice points (1 - t)^2 + t^2 of the variance is left: 2/3 on average, along each axis.
    variance += amplitude * amplitude * (scale === 1 ? 1 : 4 / 9);
  }
  const norm = 1 / Math.sqrt(variance);
  return out.map((v) => v * norm);
}

/** How often the plane is painted over in all, and by how many leaves at most. */
const COATS = 4;
const MOST_LEAVES = 2048;

function leaves(draws: Draws, height: number, width: number): Float64Array {
  // Uniform in -sqrt 3 .. sqrt 3 has variance 1.
  const level = () => 3.4641016151377544 * (draws.uniform() - 0.5);
  const out = new Float64Array(height * width).fill(level());
  const largest = Math.max(height, width);
  const smallest = Math.max(1, largest / 24);
  const share = (smallest / largest) * (smallest / largest);
  let painted = 0;
  for (let i = 0; i < MOST_LEAVES && painted < COATS * height * width; i++) {
    // The inverse of the distribution with density r^-3 between smallest and largest.
    const size = smallest / Math.sqrt(share + (1 - share) * draws.uniform());
    const [ry, rx] = [0.5 * size * (0.5 + draws.uniform()), 0.5 * size * (0.5 + draws.uniform())];
    const [cy, cx] = [height * draws.uniform(), width * draws.uniform()];
    const round = draws.uniform() < 0.5;
    const value = level();
    for (let y = Math.max(0, Math.ceil(cy - ry)); y <= Math.min(height - 1, cy + ry); y++)
      for (let x = Math.max(0, Math.ceil(cx - rx)); x <= Math.min(width - 1, cx + rx); x++) {
        const [dy, dx] = [(y - cy) / ry, (x - cx) / rx];
        if (round && dy * dy + dx * dx > 1) continue;
        out[y * width + x] = value;
        painted++;
      }
  }
  return out;
}
