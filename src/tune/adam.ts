const [FIRST, SECOND] = [0.9, 0.99];

/**
 * Adam (D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015) on one list of numbers. Only + - * / and square
 * roots: the same on every engine.
 */
export class Adam {
  private readonly first: Float32Array;
  private readonly second: Float32Array;
  private left1 = 1;
  private left2 = 1;

  constructor(readonly x: Float32Array) {
    this.first = new Float32Array(x.length);
    this.second = new Float32Array(x.length);
  }

  /**
   * One step against the gradient; a number whose gradient has been zero throughout stays.
   * @param rate about how far a number moves
   */
  step(gradient: Float32Array, rate: number): void {
    const { x, first, second } = this;
    this.left1 *= FIRST;
    this.left2 *= SECOND;
    const size = rate / (1 - this.left1);
    const correction = 1 / (1 - this.left2);
    for (let i = 0; i < x.length; i++) {
      const g = gradient[i]!;
      const m = FIRST * first[i]! + (1 - FIRST) * g;
      const v = SECOND * second[i]! + (1 - SECOND) * g * g;
      first[i] = m;
      second[i] = v;
      const root = Math.sqrt(v * correction);
      if (root > 0) x[i] = x[i]! - (size * m) / root;
    }
  }
}
