import { Writable } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createProgress, timeLeft } from '../../src/cli/progress.ts';

/** A stream that keeps what is written, with what cli-progress asks of a terminal. */
function terminal(isTTY: boolean, columns = 100): { stream: NodeJS.WriteStream; text: () => string } {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  Object.assign(stream, { isTTY, columns, rows: 24 });
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => chunks.join('') };
}

const term = process.env.TERM;
test.before.each(() => {
  process.env.TERM = 'xterm';
});
test.after(() => {
  if (term === undefined) delete process.env.TERM;
  else process.env.TERM = term;
});

function use(options: Parameters<typeof createProgress>[0]): void {
  const progress = createProgress(options);
  progress.update(1);
  progress.start('calibrating', 4);
  progress.update(2);
  progress.start('measuring', 8);
  progress.update(8);
  progress.stop();
  progress.stop();
}

test('on a terminal: label, share, and gone at the end', () => {
  const { stream, text } = terminal(true);
  use({ stream });
  assert.match(text(), /calibrating/);
  assert.match(text(), /measuring/);
  assert.match(text(), /0%/);
  assert.not.ok(text().includes('\u001b[?25l')); // the cursor is never hidden
});

test('silent without a terminal, when quiet, on a dumb or narrow one', () => {
  const cases: [boolean, number, boolean, string][] = [
    [false, 100, false, 'xterm'],
    [true, 100, true, 'xterm'],
    [true, 100, false, 'dumb'],
    [true, 30, false, 'xterm'],
  ];
  for (const [isTTY, columns, quiet, name] of cases) {
    process.env.TERM = name;
    const { stream, text } = terminal(isTTY, columns);
    use({ stream, quiet });
    assert.is(text(), '');
  }
});

test('time left is shown once there is something to go by', () => {
  let now = 0;
  const { stream, text } = terminal(true);
  const progress = createProgress({ stream, now: () => now });
  progress.start('x', 100);
  now = 10_000;
  const until = Date.now() + 250; // the library redraws at most ten times a second of the wall clock
  while (Date.now() < until);
  progress.update(25);
  progress.stop();
  assert.match(text(), /25%\s+30 s left/);
});

test('labels with control characters are harmless, empty stages are nothing', () => {
  const { stream, text } = terminal(true);
  const progress = createProgress({ stream });
  progress.start('evil\u001b[31m\nname', 3);
  progress.start('empty', 0);
  progress.update(1);
  progress.stop();
  assert.match(text(), /evil\ufffd\[31m\ufffdname/);
  assert.not.match(text(), /empty/);
});

test('timeLeft', () => {
  assert.is(timeLeft(0, 0, 10), '');
  assert.is(timeLeft(100, 5, 10), '');
  assert.is(timeLeft(10_000, 0, 10), '');
  assert.is(timeLeft(10_000, 5, 10), '10 s left');
  assert.is(timeLeft(10_000, 10, 10), '0 s left');
  assert.is(timeLeft(60_000, 1, 6), '5 min 00 s left');
});

test.run();
