import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseCostTable } from '../../src/allocate/json.ts';
import { Problem } from '../../src/allocate/problem.ts';
import { allocateTogether, type Together } from '../../src/allocate/together.ts';
import type { CostActivations, CostGroup, CostProduct, CostTable } from '../../src/allocate/types.ts';
import { DataError } from '../../src/errors.ts';
import { random } from '../helpers.ts';
import { throws } from '../throws.ts';
import { randomTable } from './tables.ts';

const test = suite('allocate/together');

interface Case {
  readonly problem: Problem;
  readonly part: CostActivations;
  readonly options: { bytes: number; counted: boolean; price: number };
}

function randomCase(seed: number): Case {
  const next = random(seed);
  const layers = 2 + Math.floor(next() * 3);
  const widths = next() < 0.5 ? [2, 4, 8] : [3, 8, 16];
  const kind = (['model', 'wild', 'flat'] as const)[Math.floor(next() * 3)]!;
  const table = randomTable({ layers, widths, seed, kind, params: (n) => 256 + Math.floor(n() * 900) });
  const scale = table.layers.reduce((n, l) => n + Math.max(...l.choices.map((c) => c.damage)), 0);
  const groups = Array.from({ length: 1 + Math.floor(next() * 4) }, (_, g): CostGroup => {
    const bits = next() < 0.4 ? [8, 16] : next() < 0.1 ? [16] : [8];
    return {
      name: `g${g}`,
      values: [`v${g}`],
      choices: [
        ...bits.map((b) => ({
          bits: b,
          damage: (next() * scale * 8) / b,
          bytes: 20 + Math.floor(next() * 200),
          measured: true,
        })),
        { bits: 32, damage: 0, bytes: 0, measured: true },
      ],
    };
  });
  const works = table.layers.map(() => Math.floor(next() * 100));
  const products = table.layers.flatMap(({ weight }, l): CostProduct[] => {
    if (next() < 0.15) return [];
    const needs = groups.map((g) => g.name).filter(() => next() < 0.5);
    const own = needs.length > 0 ? needs : ['g0'];
    return [{ weight, work: works[l]!, needs: own, bytes: Math.floor(next() * 100) }];
  });
  const ties = next() < 0.2 ? [[table.layers[0]!.name, table.layers[1]!.name]] : [];
  const pins = new Map(next() < 0.2 ? [[table.layers[0]!.name, widths.at(-1)!]] : []);
  const problem = new Problem(table, { ties, pins });
  const bytes = Math.floor(problem.minBytes + next() * (problem.maxBytes + 300 - problem.minBytes));
  const part = { range: 'mse', type: 'uint8', work: works.reduce((a, b) => a + b, 0), groups, products };
  return { problem, part, options: { bytes, counted: next() < 0.7, price: 3 * next() * scale } };
}

/** What a choice costs, by the definition. */
function costOf({ problem, part, options }: Case, selection: Int32Array, bits: ReadonlyMap<string, number>) {
  const widths = new Map(problem.choices(selection).map((c, l) => [problem.table.layers[l]!.weight, c.bits]));
  const chosen = part.groups.map((g) => g.choices.find((c) => c.bits === bits.get(g.name))!);
  let work = 0;
  let bytes = chosen.reduce((n, c) => n + c.bytes, 0);
  for (const p of part.products) {
    const widest = Math.max(...p.needs.map((n) => bits.get(n)!));
    if (widest > 16 || widths.get(p.weight)! > 8) continue;
    work += (p.work / (part.work || 1)) * (widest === 16 ? 0.5 : 1);
    bytes += p.bytes;
  }
  const damage = problem.value(selection) + chosen.reduce((n, c) => n + c.damage, 0);
  return {
    bytes: problem.bytes(selection) + (options.counted ? bytes : 0),
    cost: damage + options.price * (1 - work),
    damage,
    work,
  };
}

function bruteForce(own: Case): number {
  const { problem, part, options } = own;
  let least = Number.POSITIVE_INFINITY;
  const radixes = [...problem.items.map((it) => it.options.length), ...part.groups.map((g) => g.choices.length)];
  const total = radixes.reduce((a, b) => a * b, 1);
  for (let n = 0; n < total; n++) {
    let rest = n;
    const digits = radixes.map((r) => {
      const d = rest % r;
      rest = Math.floor(rest / r);
      return d;
    });
    const selection = Int32Array.from(digits.slice(0, problem.items.length));
    const bits = new Map(
      part.groups.map((g, i) => [g.name, g.choices[digits[problem.items.length + i]!]!.bits] as const),
    );
    const { bytes, cost } = costOf(own, selection, bits);
    if (bytes <= options.bytes && cost < least) least = cost;
  }
  return least;
}

function check(own: Case, found: Together, seed: number): void {
  const said = costOf(own, found.selection, found.bits);
  assert.ok(said.bytes <= own.options.bytes, `seed ${seed}: bytes`);
  const near = (a: number, b: number) => Math.abs(a - b) <= 1e-12 * (Math.abs(a) + Math.abs(b));
  assert.ok(near(found.cost, said.cost) && near(found.damage, said.damage), `seed ${seed}: what it says`);
  assert.ok(Math.abs(found.work - said.work) < 1e-12, `seed ${seed}: work`);
}

test('optimal, as every plan tried shows', () => {
  for (let seed = 0; seed < 150; seed++) {
    const own = randomCase(seed);
    const found = allocateTogether(own.problem, own.part, own.options);
    check(own, found, seed);
    const least = bruteForce(own);
    assert.ok(found.cost <= least * (1 + 1e-12), `seed ${seed}: ${found.cost}, best ${least}`);
    assert.ok(found.lowerBound >= least * (1 - 1e-9), `seed ${seed}: ${found.lowerBound} proved, best ${least}`);
  }
});

test('no damage of activations beyond what the work done in integers is worth', () => {
  for (let seed = 1000; seed < 1040; seed++) {
    const own = randomCase(seed);
    const free = { ...own, options: { ...own.options, counted: false } };
    const found = allocateTogether(free.problem, free.part, free.options);
    const rounded = free.part.groups.reduce(
      (n, g) => n + g.choices.find((c) => c.bits === found.bits.get(g.name))!.damage,
      0,
    );
    assert.ok(rounded <= free.options.price * found.work * (1 + 1e-12), `seed ${seed}`);
  }
});

test('a price of 0 rounds nothing; a large one everything that work is gained by', () => {
  const { problem, part } = randomCase(7);
  const options = { bytes: problem.maxBytes, counted: false };
  const none = allocateTogether(problem, part, { ...options, price: 0 });
  assert.ok([...none.bits.values()].every((b) => b === 32));
  const all = allocateTogether(problem, part, { ...options, price: 1e9 });
  const useful = new Set(part.products.filter((p) => p.work > 0).flatMap((p) => p.needs));
  assert.ok(useful.size > 0);
  assert.ok([...useful].every((g) => all.bits.get(g)! < 32));
});

test('a table large enough for a network is solved, its gap small', () => {
  const next = random(5);
  const table = randomTable({ layers: 60, widths: [2, 3, 4, 5, 6, 7, 8], seed: 5, kind: 'model' });
  const problem = new Problem(table);
  const groups = table.layers.map((_, g) => ({
    name: `g${g}`,
    values: [`v${g}`],
    choices: [
      { bits: 8, damage: 10 ** (-2 - 3 * next()), bytes: 150, measured: true },
      { bits: 32, damage: 0, bytes: 0, measured: true },
    ],
  }));
  const products = table.layers.map(({ weight }, l) => ({
    weight,
    work: 1 + next(),
    needs: [`g${l}`, `g${Math.min(59, l + 1)}`],
    bytes: 40,
  }));
  const part = { range: 'mse', type: 'uint8', work: products.reduce((n, p) => n + p.work, 0), groups, products };
  const bytes = Math.floor((problem.minBytes + problem.maxBytes) / 2);
  const found = allocateTogether(problem, part, { bytes, counted: true, price: 0.2 });
  assert.ok(found.work > 0 && found.work < 1);
  assert.ok(found.cost - found.lowerBound <= 0.02 * found.cost, `${found.cost} ${found.lowerBound}`);
});

test('the part of a cost table reads back, every field checked; tables without it stay readable', () => {
  const { problem, part } = randomCase(3);
  const table: CostTable = { ...problem.table, activations: part };
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
  assert.equal(parseCostTable(plain(table)).activations, part);
  assert.not.ok('activations' in parseCostTable(plain(problem.table)));
  const wrong = (change: (own: { groups: CostGroup[]; products: CostProduct[] }) => unknown) => {
    const copy = plain(table);
    copy.activations = { ...copy.activations, ...(change(copy.activations) as object) };
    return () => parseCostTable(copy);
  };
  throws(
    wrong(() => ({ work: -1 })),
    DataError,
    /activations\.work/,
  );
  throws(
    wrong(({ groups }) => ({ groups: [...groups, groups[0]] })),
    DataError,
    /names that differ/,
  );
  throws(
    wrong(({ groups }) => ({
      groups: [{ ...groups[0], choices: [{ bits: 4, damage: 0, bytes: 0, measured: true }] }],
    })),
    DataError,
    /8, 16 and 32/,
  );
  throws(
    wrong(({ groups }) => ({ groups: groups.map((g) => ({ ...g, choices: g.choices.slice(0, 1) })) })),
    DataError,
    /32 bits at the end/,
  );
  throws(
    wrong(({ products }) => ({ products: [{ ...products[0], needs: ['nowhere'] }] })),
    DataError,
    /'nowhere'/,
  );
  throws(
    wrong(({ products }) => ({ products: [{ ...products[0], bytes: 0.5 }] })),
    DataError,
    /bytes/,
  );
});

test.run();
