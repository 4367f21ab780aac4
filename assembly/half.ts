/** IEEE 754 binary16 <-> binary32. */

/**
 * The significand is rounded to nearest even by adding half a unit of its last kept place, less one where that place is
 * even; a carry out of the significand steps the exponent up, as it should.
 */
export function f32_to_f16(x: usize, n: i32, out: usize): void {
  for (let i = 0; i < n; i++, x += 4, out += 2) {
    const bits = load<u32>(x);
    const sign = (bits >>> 16) & 0x8000;
    const magnitude = bits & 0x7fffffff;
    let h: u32;
    if (magnitude > 0x7f800000) {
      h = 0x7e00 | ((magnitude >>> 13) & 0x3ff);
    } else if (magnitude >= 0x477ff000) {
      h = 0x7c00;
    } else if (magnitude >= 0x38800000) {
      h = (magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13;
    } else {
      // Subnormal: adding 0.5 leaves the value in units of 2^-24 in the low bits, rounded by the addition.
      h = reinterpret<u32>(reinterpret<f32>(magnitude) + <f32>0.5) - 0x3f000000;
    }
    store<u16>(out, <u16>(sign | h));
  }
}

/** The exponent is rebased by a multiplication with 2^112, which also normalises subnormals, exactly. */
export function f16_to_f32(x: usize, n: i32, out: usize): void {
  for (let i = 0; i < n; i++, x += 2, out += 4) {
    const h = <u32>load<u16>(x);
    const sign = (h & 0x8000) << 16;
    const magnitude = h & 0x7fff;
    let bits = reinterpret<u32>(reinterpret<f32>(magnitude << 13) * reinterpret<f32>(0x77800000));
    if (magnitude >= 0x7c00) bits = 0x7f800000 | ((magnitude & 0x3ff) << 13);
    store<u32>(out, sign | bits);
  }
}
