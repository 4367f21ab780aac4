import * as assert from 'uvu/assert';

type ErrorClass = abstract new (...args: never[]) => Error;

/**
 * Asserts that `body` throws an instance of `kind` with a one-line message that matches. uvu's own `assert.throws` calls a
 * class it is given as a function, which any error passes.
 */
export function throws(body: () => unknown, kind: ErrorClass | RegExp, message: RegExp = /./): void {
  const expected = kind instanceof RegExp ? Error : kind;
  let error: unknown;
  try {
    body();
  } catch (e) {
    error = e;
  }
  if (error === undefined) assert.unreachable(`expected ${expected.name}, nothing was thrown`);
  assert.instance(error, expected, `expected ${expected.name}, got ${error}`);
  assert.match((error as Error).message, kind instanceof RegExp ? kind : message);
  assert.not.match((error as Error).message, /\n/);
}
