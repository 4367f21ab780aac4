import { recommendedBits, requiredBits } from './theorem47.ts';

/**
 * What Theorem 4.7 says of one weighted layer. The layer maps (E, x) to sigma_max E x: E the weight error relative to the
 * operator, |E| <= 1, and x an input, |x| <= radius. Along the diagonal of that box the map is t -> sigma_max radius t^2,
 * t in -1..1, whose second derivative is 2 sigma_max radius everywhere, so that the theorem's minimum curvature is known exactly.
 */
export class PrecisionRequirement {
  /**
   * @param layer name shown to people
   * @param curvature sigma_max of the layer's operator, >= 0
   * @param radius largest l2 norm of a calibrated input; null without data
   * @param targetAccuracy largest error wanted at the layer's output, > 0
   * @param leastCurvature where sigma_max is known between bounds only: the lower one, `curvature` being the upper
   */
  constructor(
    readonly layer: string,
    readonly curvature: number,
    readonly radius: number | null,
    readonly targetAccuracy: number,
    readonly leastCurvature: number = curvature,
  ) {}

  /** Diameter of the calibrated inputs; null without data. */
  get diameter(): number | null {
    return this.radius === null ? null : 2 * this.radius;
  }

  /**
   * Proved: no evaluation of the layer with fewer than 2^p distinct outputs, p this many bits, is within eps everywhere on
   * that box. Necessary, not sufficient. null without data.
   */
  computeMinBits(eps: number = this.targetAccuracy): number | null {
    if (this.radius === null) return null;
    const least = 2 * this.leastCurvature * this.radius;
    return least > 0 ? Math.max(0, Math.ceil(requiredBits(least, 2, eps))) : 0;
  }

  /** The seed document's log2(kappa D^2 / eps), rounded up, at least 0: a proxy. null without data. */
  recommendedBits(eps: number = this.targetAccuracy): number | null {
    const { diameter, curvature } = this;
    if (diameter === null) return null;
    return curvature > 0 && diameter > 0 ? Math.max(0, Math.ceil(recommendedBits(curvature, diameter, eps))) : 0;
  }
}
