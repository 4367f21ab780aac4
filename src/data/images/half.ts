/** The bits of the float16 that is nearest to a number, ties to even (IEEE 754-2019, binary16). */
export function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(size)) return 0x7e00;
  // Numbers below 2^-14 are multiples of 2^-24; others have 11 significant bits.
  let exponent = -14;
  while (exponent < 15 && size >= 2 ** (exponent + 1)) exponent++;
  const units = even(size / 2 ** (exponent - 10));
  return sign | Math.min(0x7c00, (exponent + 14) * 1024 + units);
}

function even(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
