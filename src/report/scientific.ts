/** 'NaN', 'inf' or '-inf'; undefined for a finite number. */
export function special(x: number): string | undefined {
  if (Number.isFinite(x)) return undefined;
  return Number.isNaN(x) ? 'NaN' : x > 0 ? 'inf' : '-inf';
}

/** `digits` significant digits with an exponent: 1.23e-4. */
export function formatScientific(x: number, digits = 3): string {
  return special(x) ?? x.toExponential(digits - 1).replace('e+', 'e');
}
