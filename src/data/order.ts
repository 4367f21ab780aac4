/** The order of files. */

/** Runs of digits compare as numbers, all else by code unit: sample2 before sample10. */
export function byNumber(a: string, b: string): number {
  return compare(partsOf(a), partsOf(b));
}

/** Things in the order of their names (`byNumber`), every name taken apart once. */
export function sortedByNumber<T>(things: readonly T[], name: (thing: T) => string): T[] {
  return things
    .map((thing) => ({ thing, parts: partsOf(name(thing)) }))
    .sort((a, b) => compare(a.parts, b.parts))
    .map(({ thing }) => thing);
}

/** Every second part is a run of digits. */
function partsOf(name: string): string[] {
  return name.split(/(\d+)/);
}

function compare(left: readonly string[], right: readonly string[]): number {
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i]!, right[i]!];
    if (x === y) continue;
    if (i % 2 === 1 && Number(x) !== Number(y)) return Number(x) - Number(y);
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}
