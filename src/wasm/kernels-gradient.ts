import type { Ptr } from './kernels.ts';

/** Of `Kernels` those of the backward pass. */
export interface GradientKernels {
  // Gradients. dx may be dy where both have one shape.

  /** dx = dy times `inside` where lo < x <= hi, times `outside` elsewhere (where x is NaN too). */
  gate(x: Ptr, dy: Ptr, dx: Ptr, n: number, lo: number, hi: number, inside: number, outside: number): void;
  /** dx[r, :] = y (dy - sum(y dy)), y the softmax's result. */
  softmax_gradient(y: Ptr, dy: Ptr, dx: Ptr, rows: number, cols: number): void;
  /** dx[r, :] = dy - p sum(dy), p the exponential of the log-softmax's result. */
  log_softmax_gradient(p: Ptr, dy: Ptr, dx: Ptr, rows: number, cols: number): void;
  /** Gradient of layer_norm (centre 1) or rms_norm (centre 0) in x; gamma is [cols], or 0 where absent. */
  norm_gradient(x: Ptr, gamma: Ptr, dy: Ptr, dx: Ptr, rows: number, cols: number, eps: number, centre: number): void;
  /** out[i, k] += sum over j, l of a[i, j, k, l] b[i, j, k, l] in f64: a, b are [n, places, channels, inner], out f64 [n, channels]. */
  channel_dots(a: Ptr, b: Ptr, n: number, places: number, channels: number, inner: number, out: Ptr): void;
  /**
   * g and r are [blocks, channels, inner] and e = sum over channels of r^2 the energy of each place: out[k] += sum over places of
   * g^2 e, out[channels] += sum over places of e. out is f64 [channels + 1]; energies is room for `inner` floats.
   */
  weighted_squares(g: Ptr, r: Ptr, blocks: number, channels: number, inner: number, energies: Ptr, out: Ptr): void;
  /** Adds dy [planes, oh, ow] to dx [planes, h, w] at the first largest x of each window. */
  maxpool2d_gradient(
    x: Ptr,
    planes: number,
    h: number,
    w: number,
    kh: number,
    kw: number,
    sh: number,
    sw: number,
    pt: number,
    pl: number,
    dh: number,
    dw: number,
    oh: number,
    ow: number,
    dy: Ptr,
    dx: Ptr,
  ): void;
  /** Adds dy [planes, oh, ow] to every place of its window in dx [planes, h, w]. */
  sumpool2d_gradient(
    planes: number,
    h: number,
    w: number,
    kh: number,
    kw: number,
    sh: number,
    sw: number,
    pt: number,
    pl: number,
    dh: number,
    dw: number,
    oh: number,
    ow: number,
    dy: Ptr,
    dx: Ptr,
  ): void;
}
