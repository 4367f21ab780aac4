// A model larger than memory should hold: 3 GB of weights in a file beside it, sparse on disk. `npm run bench:large` inspects it
// and quantizes it without data, each in a process of its own, and prints time and peak memory against the goals.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { externalModel } from '../test/onnx/external.ts';

const LAYERS = 48;
const SIZE = 4096;
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
  const quantize = measured(['quantize', model, '--bits', '4.5', '--widths', '4,5', '-o', join(dir, 'small.onnx')]);
  const result = {
    bytes: 4 * LAYERS * SIZE * SIZE,
    inspectSeconds: inspect.seconds,
    inspectGoal: 2,
    quantizeSeconds: quantize.seconds,
    quantizePeak: quantize.peak,
    peakGoal: 1.5e9,
  };
  console.log(`inspect: ${inspect.seconds.toFixed(2)} s (goal 2 s), peak ${(inspect.peak / 1e6).toFixed(0)} MB`);
  console.log(
    `quantize: ${quantize.seconds.toFixed(0)} s, peak ${(quantize.peak / 1e6).toFixed(0)} MB (goal 1,500 MB)`,
  );
  mkdirSync(join(root, 'bench', 'results'), { recursive: true });
  writeFileSync(join(root, 'bench', 'results', 'large.json'), `${JSON.stringify(result, null, 1)}\n`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
