// The test runner: every test/**/*.test.ts in a process of its own, as many at a time as there are processors. Arguments
// are substrings of the paths to run (all without one); --jobs N and --timeout SECONDS (per file) change the defaults.
//
// The last line is `N passed, N failed`, with `, N skipped` where some were. The exit code is 0 only if nothing failed. A
// file counts as failed when its own summary says so, but also when it reports no test, crashes before or after its
// summary, or runs past the limit: a file can never pass by saying nothing.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const OUTPUT_LIMIT = 1 << 20; // characters of a file's output that are kept: its end

function parse(args) {
  const options = { jobs: availableParallelism(), timeout: 480, filters: [] };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === '--jobs' || arg === '--timeout') {
      const value = Number(args[++i]);
      if (!(value > 0) || (arg === '--jobs' && !Number.isInteger(value)))
        throw new Error(`${arg}: expected a positive number, got ${args[i]}`);
      options[arg.slice(2)] = value;
    } else if (arg.startsWith('-'))
      throw new Error(`unknown flag ${arg}: expected --jobs N, --timeout SECONDS or substrings of file names`);
    else options.filters.push(arg);
  }
  return options;
}

function findTests(filters) {
  if (!existsSync(join(root, 'test'))) return [];
  return readdirSync(join(root, 'test'), { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `test/${name.split(sep).join('/')}`)
    .filter((name) => filters.length === 0 || filters.some((part) => name.includes(part)))
    .sort();
}

/** uvu's closing lines; the last ones, should a test print some that look alike. */
function readSummary(output) {
  const matches = [...output.matchAll(/^ +Total: +(\d+)\r?\n +Passed: +(\d+)\r?\n +Skipped: +(\d+)\r?$/gm)];
  const last = matches.at(-1);
  return last && { total: Number(last[1]), passed: Number(last[2]), skipped: Number(last[3]) };
}

/** @returns counts, and in `reason` why the file failed ('' if it did not) */
function judge(output, { code, signal, timedOut, timeout }) {
  const ending = timedOut ? `ran past ${timeout} s` : signal ? `killed by ${signal}` : `exit code ${code}`;
  const summary = readSummary(output);
  if (!summary) {
    const quiet = code === 0 && !timedOut;
    return {
      passed: 0,
      failed: 1,
      skipped: 0,
      reason: quiet ? 'reported no test (is test.run() missing?)' : `no summary, ${ending}`,
    };
  }
  const { total, passed, skipped } = summary;
  if (total + skipped === 0) return { passed: 0, failed: 1, skipped: 0, reason: 'has no test' };
  if (total > passed) {
    const hooks = code === 0 ? ', exit code 0: a before hook threw' : '';
    return { passed, failed: total - passed, skipped, reason: `${total - passed} of ${total} failed${hooks}` };
  }
  if (code !== 0 || timedOut) return { passed, failed: 1, skipped, reason: `failed after its summary: ${ending}` };
  return { passed, failed: 0, skipped, reason: '' };
}

const running = new Set();

/** The child leads a process group of its own, so that what it started ends with it. */
function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

function runFile(file, timeout) {
  return new Promise((resolve) => {
    const start = performance.now();
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    let output = '';
    let ending = { code: null, signal: null };
    let timedOut = false;
    const keep = (text) => {
      output = (output + text).slice(-OUTPUT_LIMIT);
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, timeout * 1000);
    child.on('error', (error) => keep(`${error.message}\n`));
    // what the file left running would hold its pipes open
    child.on('exit', (code, signal) => {
      ending = { code, signal };
      killGroup(child);
    });
    child.on('close', () => {
      clearTimeout(timer);
      running.delete(child);
      const plain = stripVTControlCharacters(output);
      const seconds = (performance.now() - start) / 1000;
      resolve({ file, output, seconds, ...judge(plain, { ...ending, timedOut, timeout }) });
    });
  });
}

function report({ file, output, seconds, passed, failed, skipped, reason }) {
  const mark = failed ? pc.red('FAIL') : pc.green('  ok');
  const more = `${failed ? `, ${failed} failed` : ''}${skipped ? `, ${skipped} skipped` : ''}`;
  console.log(`${mark}  ${file}  ${passed} passed${more}  ${pc.dim(`${seconds.toFixed(1)} s`)}`);
  if (failed) console.log(`${pc.red(`      ${reason}`)}\n${output.trimEnd().replace(/^/gm, '      | ')}\n`);
}

async function main(args) {
  const { jobs, timeout, filters } = parse(args);
  const files = findTests(filters);
  if (files.length === 0) console.error(`no test file${filters.length ? ` matches ${filters.join(', ')}` : ''}`);
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < files.length) {
      const result = await runFile(files[next++], timeout);
      results.push(result);
      report(result);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  const bad = results.filter(({ failed }) => failed);
  if (bad.length) console.log(`\nfailed:\n${bad.map(({ file, reason }) => `  ${file}: ${reason}`).join('\n')}`);
  console.log(
    `\n${sum('passed')} passed, ${sum('failed')} failed${sum('skipped') ? `, ${sum('skipped')} skipped` : ''}`,
  );
  process.exitCode = bad.length || files.length === 0 ? 1 : 0;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
  process.on(signal, () => {
    for (const child of running) killGroup(child);
    process.exit(code);
  });

main(process.argv.slice(2)).catch((error) => {
  console.error(`test: ${error.message}`);
  process.exitCode = 2;
});
