/** Seeded numbers: the same on every machine. */

/** Uniform in [0, 1): mulberry32. */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** n floats of mean 0 and that standard deviation, roughly normal: sums of four uniforms. */
export function normals(n: number, next: () => number, deviation = 1): Float32Array {
  const x = new Float32Array(n);
  const scale = deviation * Math.sqrt(3);
  for (let i = 0; i < n; i++) x[i] = (next() + next() + next() + next() - 2) * scale;
  return x;
}

/** n integers in [0, limit). */
export function integers(n: number, next: () => number, limit: number): Uint8Array {
  const x = new Uint8Array(n);
  for (let i = 0; i < n; i++) x[i] = Math.floor(next() * limit);
  return x;
}
