/** What the rows of a layer choose, each for itself, as a multiplier of bytes falls: every step to a wider row has one at which it is taken. */
export class RowCurve {
  /** For every width but the narrowest, descending: multipliers below which rows have at least that width. */
  private readonly steps: readonly Float64Array[];
  /** The same by row. */
  private readonly own: readonly Float64Array[];
  /** For each of these, sums of the damage that steps to exactly this width save: of all but the first n at n. */
  private readonly left: readonly Float64Array[];
  /** Least damage of all rows. */
  private readonly least: number;

  /**
   * @param rows how many there are
   * @param widths how many a row has to choose from in `damage`: [rows, widths]
   * @param allowed those it may take, ascending
   * @param bytes of the codes of a row at each of all widths, ascending
   */
  constructor(
    readonly rows: number,
    widths: number,
    readonly allowed: readonly number[],
    damage: Float64Array,
    private readonly bytes: readonly number[],
  ) {
    const n = allowed.length;
    const at = Array.from({ length: n }, () => new Float64Array(rows));
    const gain = Array.from({ length: n }, () => new Float64Array(rows));
    let least = 0;
    for (let r = 0; r < rows; r++) {
      const of = (i: number) => damage[r * widths + allowed[i]!]!;
      // From one corner of the lower convex hull to the next: the step of the most damage a byte.
      for (let i = 0; i < n - 1; ) {
        let next = i;
        let best = 0;
        for (let j = i + 1; j < n; j++) {
          const slope = (of(i) - of(j)) / (bytes[allowed[j]!]! - bytes[allowed[i]!]!);
          if (slope > best || (slope === best && next > i)) {
            best = slope;
            next = j;
          }
        }
        if (next === i) {
          least += of(i);
          break;
        }
        for (let j = i + 1; j <= next; j++) at[j]![r] = best;
        gain[next]![r] = of(i) - of(next);
        i = next;
        if (i === n - 1) least += of(i);
      }
      if (n === 1) least += of(0);
    }
    this.least = least;
    this.own = at.slice(1);
    const order = new Uint32Array(rows);
    const sorted = this.own.map((steps, i) => {
      for (let r = 0; r < rows; r++) order[r] = r;
      order.sort((a, b) => steps[b]! - steps[a]! || a - b);
      const left = new Float64Array(rows + 1);
      // Small ones first: nothing is lost against large sums.
      for (let k = rows - 1; k >= 0; k--) left[k] = left[k + 1]! + gain[i + 1]![order[k]!]!;
      return { steps: Float64Array.from(order, (r) => steps[r]!), left };
    });
    this.steps = sorted.map((s) => s.steps);
    this.left = sorted.map((s) => s.left);
  }

  /**
   * Least damage + multiplier * bytes of codes, over all rows.
   * @param counts how many rows have each of all widths is written there, where given
   */
  cost(multiplier: number, counts?: number[]): number {
    const { rows, allowed, bytes, steps, left } = this;
    let damage = this.least;
    let size = rows * bytes[allowed[0]!]!;
    let wider = rows;
    for (let i = 0; i < steps.length; i++) {
      const n = above(steps[i]!, multiplier);
      damage += left[i]![n]!;
      size += n * (bytes[allowed[i + 1]!]! - bytes[allowed[i]!]!);
      if (counts) counts[allowed[i]!] = wider - n;
      wider = n;
    }
    if (counts) counts[allowed.at(-1)!] = wider;
    return damage + multiplier * size;
  }

  /** The width of each row, by index among all widths, that `cost` speaks of. */
  choose(multiplier: number, out: Uint8Array): void {
    const { allowed, own } = this;
    for (let r = 0; r < this.rows; r++) {
      let i = 0;
      while (i < own.length && own[i]![r]! > multiplier) i++;
      out[r] = allowed[i]!;
    }
  }
}

/** How many of descending numbers are above a value. */
function above(numbers: Float64Array, value: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! > value) low = middle + 1;
    else high = middle;
  }
  return low;
}
