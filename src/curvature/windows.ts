/**
 * Most windows any element lies in along one axis: taps i with i dilation = x + pad (mod stride), at most
 * ceil(kernel / (stride / gcd(stride, dilation))).
 */
export function windowsPerElement(kernel: number, stride: number, dilation = 1): number {
  return Math.ceil(kernel / (stride / gcd(stride, dilation)));
}

function gcd(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return x;
}
