import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, integers, of, runHere, same, string } from './compare.ts';

const CASES: readonly (readonly [string, ...number[][]])[] = [
  ['ij,jk->ik', [3, 4], [4, 5]],
  ['bij,bjk->bik', [2, 3, 4], [2, 4, 5]],
  ['bij, bkj -> bik', [2, 3, 4], [2, 5, 4]],
  ['bji,bjk->bki', [2, 4, 3], [2, 4, 5]],
  ['i,i', [4], [4]],
  ['ii->i', [4, 4]],
  ['ii', [4, 4]],
  ['ij->ji', [3, 4]],
  ['ij,ij->ij', [3, 4], [3, 4]],
  ['bhwc,hkc->bhwk', [2, 3, 4, 5], [3, 6, 5]],
  ['ab,bc,cd->ad', [2, 3], [3, 4], [4, 5]],
  ['i,j->ij', [3], [4]],
  ['bqhd,bkhd->bhqk', [2, 3, 4, 5], [2, 6, 4, 5]],
  ['...ii->...i', [2, 3, 3]],
  ['ij->', [3, 4]],
  ['bi,bi->b', [3, 4], [3, 4]],
  ['b...,b...->...', [2, 3, 4], [2, 3, 4]],
  ['ij,k->ijk', [1, 2], [3]],
  ['ba', [2, 3]],
  ['ij,kl,jk->il', [3, 4], [2, 5], [4, 2]],
  ['ab,ab,ac->bc', [2, 3], [2, 3], [2, 4]],
];

test('Einsum', async () => {
  for (const [equation, ...shapes] of CASES) {
    const a = { equation: string(equation) };
    const c = { opset: 12, rtol: 1e-4, atol: 1e-5 };
    await agree(
      'Einsum',
      shapes.map((d) => floats(d)),
      a,
      c,
    );
    for (const dtype of ['int32', 'double', 'int64'] as const)
      await agree(
        'Einsum',
        shapes.map((d) => integers(dtype, d, -5, 5)),
        a,
        c,
      );
  }
});

/** Sums over every combination of the letters, from the definition. */
function naive(inputs: readonly Tensor[], terms: readonly string[], output: string): Tensor {
  const letters = [...new Set(terms.join(''))];
  const size = new Map<string, number>();
  terms.forEach((t, i) => {
    [...t].forEach((l, a) => {
      size.set(l, inputs[i]!.dims[a]!);
    });
  });
  const offset = (labels: string, at: ReadonlyMap<string, number>) =>
    [...labels].reduce((o, l) => o * size.get(l)! + at.get(l)!, 0);
  const dims = [...output].map((l) => size.get(l)!);
  const out = new Float32Array(dims.reduce((a, b) => a * b, 1));
  const total = letters.reduce((n, l) => n * size.get(l)!, 1);
  for (let i = 0; i < total; i++) {
    const at = new Map<string, number>();
    let rest = i;
    for (const l of letters) {
      at.set(l, rest % size.get(l)!);
      rest = Math.floor(rest / size.get(l)!);
    }
    out[offset(output, at)]! += terms.reduce((p, t, j) => p * Number(inputs[j]!.data[offset(t, at)]), 1);
  }
  return tensor('float', dims, out);
}

test('Einsum against its definition', () => {
  const label = fc.constantFrom('a', 'b', 'c', 'd');
  const term = fc.array(label, { minLength: 0, maxLength: 3 }).map((t) => t.join(''));
  const sizes: Record<string, number> = { a: 2, b: 3, c: 1, d: 4 };
  fc.assert(
    fc.property(fc.array(term, { minLength: 1, maxLength: 3 }), fc.nat(), (terms, seed) => {
      const letters = [...new Set(terms.join(''))];
      const output = letters.filter((_, i) => (seed >> i) & 1).join('');
      const inputs = terms.map((t) =>
        integers(
          'float',
          [...t].map((l) => sizes[l]!),
          -3,
          3,
        ),
      );
      const equation = `${terms.join(',')}->${output}`;
      const [y] = runHere('Einsum', inputs, { equation: string(equation) });
      same(y!, naive(inputs, terms, output), equation);
    }),
    { numRuns: 150, seed: 11 },
  );
});

test('Einsum broadcasts ellipses and axes of 1', () => {
  const run = (equation: string, ...inputs: Tensor[]) => runHere('Einsum', inputs, { equation: string(equation) })[0]!;
  const x = of([2, 2], 1, 2, 3, 4);
  same(run('...,...->...', x, of([2], 10, 100)), of([2, 2], 10, 200, 30, 400), 'ranks');
  same(run('...ij,...jk', of([1, 2, 2], 1, 2, 3, 4), of([2, 1], 1, 1)), of([1, 2, 1], 3, 7), 'matrices');
  same(run('ij,ij->i', x, of([2, 1], 1, 2)), of([2], 3, 14), 'size 1');
  const half = (...v: number[]) => tensor('float16', [v.length], Uint16Array.from(v));
  assert.equal([...run('i,i->', half(0x3c00, 0x4000), half(0x4000, 0x4000)).data], [0x4600]);
  assert.equal([...run('i,i->', integers('uint8', [2], 200, 200), integers('uint8', [2], 3, 3)).data], [1200 & 255]);
  assert.equal([...run('ij,jk->ik', floats([2, 0]), floats([0, 2])).data], [0, 0, 0, 0]);
});

test('Einsum refuses', () => {
  const run =
    (equation: string, ...shapes: number[][]) =>
    () =>
      runHere(
        'Einsum',
        shapes.map((d) => floats(d)),
        { equation: string(equation) },
      );
  throws(run('ij,jk->ik', [2, 3]), ModelError, /has 2 operands, the node has 1/);
  throws(run('ij', [2, 3, 4]), ModelError, /input 0: \[2,3,4\] does not have the axes of "ij"/);
  throws(run('...ijk', [2, 3]), ModelError, /does not have the axes/);
  throws(run('ij,jk->ik', [2, 3], [4, 5]), ModelError, /input 1: axis 0 of \[4,5\] has size 4, expected 3 of "j"/);
  throws(run('ij->ik', [2, 3]), ModelError, /found "k"/);
  throws(run('ij->ii', [2, 3]), ModelError, /each once, found "i"/);
  throws(run('i.j', [2, 3]), ModelError, /"i.j" in "i.j" is no list of subscripts/);
  throws(run('i->i->i', [2]), ModelError, /more than one "->"/);
  throws(run('a,b,c->abc', [2 ** 11], [2 ** 11], [2 ** 11]), ModelError, /more than 2147483647 elements/);
});

test.run();
