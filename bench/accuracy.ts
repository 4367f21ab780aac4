// The figures of the README and of the accuracy goals, from one command: `npm run bench:accuracy`.
// Prints the tables and writes bench/results/accuracy.json. Nothing here is timed against anything.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type SweepReport, datasetFromArrays, demonstrate, loadKernels, readNpz, sweep } from '../src/node.ts';
import { demoText } from '../src/report/demo.ts';
import { sweepText } from '../src/report/sweep.ts';
import { formatNumber, formatTable } from '../src/report/text.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (name: string) => new Uint8Array(readFileSync(join(root, 'models', name)));
const data = (name: string) => datasetFromArrays(readNpz(read(name), name), name);

/** KL x 10^3 to fp32 on held-out data at an average of 4.1 bits, scales counted. */
const GOALS: Readonly<Record<string, number>> = {
  'mnist-mlp.onnx': 4,
  'resnet18-fashion.onnx': 1.5,
  'transformer-text.onnx': 11,
};
const MODELS = [
  { name: 'mnist-mlp.onnx', set: 'mnist' },
  { name: 'resnet18-fashion.onnx', set: 'fashion' },
  { name: 'transformer-text.onnx', set: 'text', evaluationSamples: 256 },
];
const BITS = [2, 2.5, 3.1, 4.1, 5.1, 6.1, 7.1, 8];

const wasm = await loadKernels();
const only = process.argv.slice(2);
const reports: SweepReport[] = [];
for (const { name, set, evaluationSamples } of MODELS) {
  if (only.length > 0 && !only.some((part) => name.includes(part))) continue;
  const report = await sweep(wasm, read(name), {
    name,
    calibration: data(`${set}-calib.npz`),
    evaluation: data(`${set}-eval.npz`),
    evaluationSamples,
    bits: BITS,
  });
  reports.push(report);
  console.log(`${sweepText(report)}\n`);
}

const goals = reports.map((report) => {
  const at = (kind: string) => report.points.find((p) => p.budget === 4.1 && p.kind === kind)!;
  const [guided, tensor] = [at('guided'), at('uniform, per tensor')];
  return {
    model: report.model.name,
    averageBits: guided.averageBits,
    kl: guided.damage * 1e3,
    goal: GOALS[report.model.name]!,
    uniformPerTensor: tensor.damage * 1e3,
    met: guided.damage * 1e3 <= GOALS[report.model.name]! && guided.damage <= tensor.damage / 2,
  };
});
console.log('Goals at 4.1 bits: held-out KL x 10^3, and at most half of uniform per tensor at the same bytes');
console.log(
  formatTable(
    [
      'model',
      { title: 'average bits', align: 'right' },
      { title: 'KL x 10^3', align: 'right' },
      { title: 'goal', align: 'right' },
      { title: 'uniform per tensor', align: 'right' },
      'met',
    ],
    goals.map((g) => [
      g.model,
      formatNumber(g.averageBits, 4),
      formatNumber(g.kl, 3),
      `<= ${g.goal}`,
      formatNumber(g.uniformPerTensor, 4),
      g.met ? 'yes' : 'no',
    ]),
  ),
);

if (only.length === 0) {
  const models = ['mnist-mlp.onnx', 'mnist-mlp-seed1.onnx', 'mnist-mlp-seed2.onnx'].map((name) => ({
    name,
    bytes: read(name),
  }));
  const demo = await demonstrate(wasm, {
    models,
    calibration: data('mnist-calib.npz'),
    evaluation: data('mnist-eval.npz'),
  });
  console.log(`\n${demoText(demo.report)}`);
  mkdirSync(join(root, 'bench', 'results'), { recursive: true });
  writeFileSync(
    join(root, 'bench', 'results', 'accuracy.json'),
    `${JSON.stringify({ goals, reports, demo: demo.report }, null, 1)}\n`,
  );
}
