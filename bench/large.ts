// Models larger than memory should hold: 3 GB of weights in a file beside the model, sparse on disk, inspected and quantized without
// data, and 4.5 GiB, more than the kernels can address, run within 1 GB. `npm run bench:large` does each in a process of its own and
// prints time and peak memory against the goals.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeNpz } from '../src/data/index.ts';
import { externalModel } from '../test/onnx/external.ts';

const LAYERS = 48;
const SIZE = 4096;
/** Of the model that is run. */
const STREAMED_LAYERS = 72;
const STREAMED_MEMORY = 1e9;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command of the built program. @returns seconds and the process's peak in bytes */
function measured(args: readonly string[]): { seconds: number; peak: number } {
  const program = `
    process.on('exit', () => process.stderr.write('\\npeak ' + process.resourceUsage().maxRSS));
    process.argv = [process.argv[0], 'kappa', ...${JSON.stringify(args)}];
    await import(${JSON.stringify(join(root, 'dist', 'cli.js'))});`;
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`kappa ${args.join(' ')}: exit code ${status}: ${stderr}`);
  return { seconds, peak: 1024 * Number(/peak (\d+)/.exec(stderr)![1]) };
}

const dir = mkdtempSync(join(tmpdir(), 'kappa-large-'));
try {
  const model = join(dir, 'large.onnx');
  const data = join(dir, 'large.data');
  writeFileSync(model, externalModel(LAYERS, SIZE, 'large.data'));
  writeFileSync(data, '');
  truncateSync(data, 4 * LAYERS * SIZE * SIZE);
  const inspect = measured(['inspect', model, '--quiet']);
  const quantize = measured([
    'quantize',
    model,
    '--bits',
    '4.5',
    '--widths',
    '4,5',
    '--no-verify',
    '-o',
    join(dir, 'small.onnx'),
  ]);
  writeFileSync(model, externalModel(STREAMED_LAYERS, SIZE, 'large.data'));
  truncateSync(data, 4 * STREAMED_LAYERS * SIZE * SIZE);
  const x = { dtype: 'float', dims: [2, SIZE], data: new Float32Array(2 * SIZE).fill(1) } as const;
  writeFileSync(join(dir, 'x.npz'), writeNpz(new Map([['x', x]])));
  const flags = ['--max-memory', String(STREAMED_MEMORY), '--threads', '1'];
  const run = measured(['run', model, '--inputs', join(dir, 'x.npz'), '-o', join(dir, 'y.npz'), ...flags]);
  const result = {
    bytes: 4 * LAYERS * SIZE * SIZE,
    inspectSeconds: inspect.seconds,
    inspectGoal: 2,
    quantizeSeconds: quantize.seconds,
    quantizePeak: quantize.peak,
    peakGoal: 1.5e9,
    streamedBytes: 4 * STREAMED_LAYERS * SIZE * SIZE,
    streamedSeconds: run.seconds,
    streamedPeak: run.peak,
    streamedGoal: 1.3 * STREAMED_MEMORY,
  };
  console.log(`inspect: ${inspect.seconds.toFixed(2)} s (goal 2 s), peak ${(inspect.peak / 1e6).toFixed(0)} MB`);
  console.log(
    `quantize: ${quantize.seconds.toFixed(0)} s, peak ${(quantize.peak / 1e6).toFixed(0)} MB (goal 1,500 MB)`,
  );
  const [seconds, peak, goal] = [run.seconds.toFixed(0), run.peak / 1e6, result.streamedGoal / 1e6];
  console.log(
    `run of ${(result.streamedBytes / 2 ** 30).toFixed(1)} GiB: ${seconds} s, peak ${peak.toFixed(0)} MB (goal ${goal} MB)`,
  );
  mkdirSync(join(root, 'bench', 'results'), { recursive: true });
  writeFileSync(join(root, 'bench', 'results', 'large.json'), `${JSON.stringify(result, null, 1)}\n`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
