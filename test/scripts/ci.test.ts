import { chmodSync, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lastLine, makeProject, type Project, type Result } from './project.ts';

const ci = suite<{ project: Project; go: (npm: string) => Promise<Result> }>('.ci/run');

// npm is replaced by a script that answers for each of the four commands: only the verdict is tried here
ci.before.each((context) => {
  const project = makeProject(['.ci']);
  context.project = project;
  context.go = (npm) => {
    const pages = '"run --silent test:browser") echo "5 passed, 0 failed"; exit 0;;';
    project.write({ 'bin/npm': `#!/bin/sh\necho "$*" >> calls\ncase "$*" in\n${npm}\n${pages}\n*) exit 0;;\nesac\n` });
    chmodSync(join(project.root, 'bin', 'npm'), 0o755);
    return project.run(join(project.root, '.ci', 'run'), [], {
      CHROMIUM: 'named, so that none is installed',
      PATH: `${join(project.root, 'bin')}${delimiter}${process.env.PATH}`,
    });
  };
});
ci.after.each(({ project }) => project.remove());

const PASSING = 'test) echo; echo "12 passed, 0 failed, 2 skipped"; echo trailing; exit 0;;';

ci('everything holds', async ({ go }) => {
  const { code, stdout } = await go(PASSING);
  assert.is(code, 0);
  assert.is(lastLine(stdout), '17 passed, 0 failed, 2 skipped');
});

ci('failing tests', async ({ go }) => {
  const { code, stdout } = await go('test) echo "12 passed, 3 failed"; exit 1;;');
  assert.is(code, 1);
  assert.is(lastLine(stdout), '17 passed, 3 failed');
});

ci('tests in pages count with the others, and fail where they never count', async ({ go }) => {
  const failing = await go(`"run --silent test:browser") echo "4 passed, 1 failed"; exit 1;;\n${PASSING}`);
  assert.is(failing.code, 1);
  assert.is(lastLine(failing.stdout), '16 passed, 1 failed, 2 skipped');
  const silent = await go(`"run --silent test:browser") exit 1;;\n${PASSING}`);
  assert.is(silent.code, 1);
  assert.is(lastLine(silent.stdout), '12 passed, 1 failed, 2 skipped');
});

ci('a failing check counts as a failure beside the tests', async ({ go }) => {
  const { code, stdout } = await go(`"run check") exit 1;;\n${PASSING}`);
  assert.is(code, 1);
  assert.match(stdout, /^ci: npm run check failed/m);
  assert.is(lastLine(stdout), '17 passed, 1 failed, 2 skipped');
});

ci('an installation that fails ends it', async ({ go, project }) => {
  const { code, stdout } = await go(`ci) exit 1;;\n${PASSING}`);
  assert.is(code, 1);
  assert.match(stdout, /^ci: npm ci failed/m);
  assert.is(lastLine(stdout), '0 passed, 1 failed');
  assert.ok(existsSync(join(project.root, 'calls')));
});

ci('tests that never count, or contradict their count, fail', async ({ go }) => {
  const silent = await go('test) exit 0;;');
  assert.is(silent.code, 1);
  assert.is(lastLine(silent.stdout), '0 passed, 1 failed');
  const contradicts = await go('test) echo "12 passed, 0 failed"; exit 1;;');
  assert.is(contradicts.code, 1);
  assert.is(lastLine(contradicts.stdout), '17 passed, 1 failed');
});

ci.run();
