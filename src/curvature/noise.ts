/**
 * x plus Gaussian noise of that standard deviation: the sum of twelve uniforms less six (variance 1), each from a 32-bit xorshift
 * generator (G. Marsaglia, "Xorshift RNGs", 2003), so that the result is the same on every JavaScript engine.
 * @param seed any integer
 */
export function gaussianNoise(x: Float32Array, deviation: number, seed: number): Float32Array {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  const y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) {
    let sum = -6;
    for (let j = 0; j < 12; j++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      state >>>= 0;
      sum += state / 4294967296;
    }
    y[i] = x[i]! + deviation * sum;
  }
  return y;
}
