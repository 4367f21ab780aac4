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

/** KL x 10^3 to fp32 on held-out data at an average of that many bits, scales and zero points counted. */
const GOALS: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  'mnist-mlp.onnx': { 8: 0.005, 6: 0.02, 4: 0.08, 3: 0.4, 2.5: 1.2 },
  'resnet18-fashion.onnx': { 8: 0.005, 6: 0.01, 4: 0.04, 3: 0.25, 2.5: 0.9 },
  'transformer-text.onnx': { 8: 0.1, 6: 0.4, 4: 2, 3: 8.5, 2.5: 21 },
};
/** The same as a share of uniform widths rounded the same way, at 3 bits. */
const SHARES: Readonly<Record<string, number>> = {
  'mnist-mlp.onnx': 0.2,
  'resnet18-fashion.onnx': 0.03,
  'transformer-text.onnx': 0.33,
};
const MODELS = [
  { name: 'mnist-mlp.onnx', set: 'mnist' },
  { name: 'resnet18-fashion.onnx', set: 'fashion' },
  { name: 'transformer-text.onnx', set: 'text', evaluationSamples: 256 },
];
const BITS = [2, 2.25, 2.5, 3, 4, 5, 6, 7, 8];

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

const goals = reports.flatMap((report) =>
  Object.entries(GOALS[report.model.name]!)
    .map(([budget, goal]) => ({ budget: Number(budget), goal }))
    .sort((x, y) => y.budget - x.budget)
    .map(({ budget, goal }) => {
      const at = (kind: string) => report.points.find((p) => p.budget === budget && p.kind === kind)!;
      const guided = at('guided');
      const uniform = at('uniform');
      const share = guided.damage / uniform.damage;
      const wanted = budget === 3 ? SHARES[report.model.name]! : null;
      return {
        model: report.model.name,
        budget,
        averageBits: guided.averageBits,
        kl: guided.damage * 1e3,
        goal,
        uniform: uniform.damage * 1e3,
        share,
        shareGoal: wanted,
        accuracy: guided.accuracy,
        crossEntropy: guided.crossEntropy,
        met: guided.damage * 1e3 <= goal,
      };
    }),
);
console.log('Goals: held-out KL x 10^3, scales and zero points counted in the bits; uniform is rounded the same way');
console.log(
  formatTable(
    [
      'model',
      { title: 'budget', align: 'right' },
      { title: 'average bits', align: 'right' },
      { title: 'KL x 10^3', align: 'right' },
      { title: 'goal', align: 'right' },
      { title: 'uniform', align: 'right' },
      { title: 'share of uniform', align: 'right' },
      'met',
    ],
    goals.map((g) => [
      g.model,
      String(g.budget),
      formatNumber(g.averageBits, 4),
      formatNumber(g.kl, 3),
      `<= ${g.goal}`,
      formatNumber(g.uniform, 3),
      g.shareGoal === null ? formatNumber(g.share, 2) : `${formatNumber(g.share, 2)} (goal ${g.shareGoal})`,
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
