import { CommanderError } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeFailure } from '../../src/cli/failure.ts';
import { styleFor } from '../../src/cli/style.ts';
import {
  DataError,
  InterruptedError,
  ModelError,
  TargetError,
  UnsupportedError,
  UsageError,
} from '../../src/errors.ts';
import { PLAIN } from '../../src/report/style.ts';

test('each kind of error has its exit code and keeps its message', () => {
  const kinds: [Error, number][] = [
    [new UsageError('u'), 2],
    [new ModelError('m'), 3],
    [new DataError('d'), 3],
    [new UnsupportedError('o'), 4],
    [new TargetError('t'), 5],
    [new InterruptedError(), 130],
  ];
  for (const [error, code] of kinds) {
    const { line, exitCode } = describeFailure(error);
    assert.is(exitCode, code);
    assert.is(line, error.message);
  }
});

test('anything else is a bug: 1, named as one, with its stack', () => {
  for (const thrown of [new TypeError('x is not y'), 'text', undefined, { a: 1 }]) {
    const { line, exitCode } = describeFailure(thrown);
    assert.is(exitCode, 1);
    assert.match(line, /^internal error, please report it/);
  }
  assert.match(describeFailure(new TypeError('x is not y')).stack!, /failure\.test\.ts/);
});

test('a message is one line, whatever names it holds', () => {
  const { line } = describeFailure(new ModelError('node "a\n  b\r\nc": \u001b[31mred\u0000'));
  assert.is(line, 'node "a b c": \ufffd[31mred\ufffd');
});

test("the flag parser's refusals are usage errors on one line", () => {
  const of = (code: string, message: string) => describeFailure(new CommanderError(1, code, message));
  const near = of('commander.unknownOption', "error: unknown option '--bitz'\n(Did you mean --bits?)");
  assert.is(near.line, "unknown flag '--bitz'; did you mean --bits?");
  assert.is(near.exitCode, 2);
  assert.is(
    of('commander.unknownOption', "error: unknown option '--q'").line,
    "unknown flag '--q'; --help lists the flags",
  );
  assert.is(
    of('commander.missingArgument', "error: missing required argument 'model'").line,
    "missing required argument 'model'",
  );
  assert.is(of('commander.help', '(outputHelp)').line, 'expected a command; kappa --help lists them');
});

test('colours only on a terminal that wants them', () => {
  const env = { TERM: 'xterm' };
  assert.is(styleFor({ isTTY: false }, true, env), PLAIN);
  assert.is(styleFor({ isTTY: true }, false, env), PLAIN);
  assert.is(styleFor({ isTTY: true }, true, { ...env, NO_COLOR: '1' }), PLAIN);
  assert.is(styleFor({ isTTY: true }, true, { TERM: 'dumb' }), PLAIN);
  const colours = styleFor({ isTTY: true }, true, { ...env, NO_COLOR: '' });
  assert.is(colours.bold('x'), '\u001b[1mx\u001b[22m');
});

test.run();
