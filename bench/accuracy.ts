// The figures of the README and of the accuracy goals, from one command: `npm run bench:accuracy`.
// Prints the tables and writes bench/results/accuracy.json. Nothing here is timed against anything. Arguments are parts to run
// alone: pieces of models' names, `tuned`, `demo`; the others' figures in the file stay as they are.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type DemoReport,
  datasetFromArrays,
  demonstrate,
  loadKernels,
  quantize,
  readNpz,
  type SweepReport,
  sweep,
  type Tensor,
} from '../src/node.ts';
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
const BITS = [2, 2.25, 2.5, 3, 4, 6, 8];

/** The transformer with `--tune`: goals by average bits, and the steps. */
const TUNED: Readonly<Record<number, number>> = { 4: 1.7, 3: 7, 2.5: 15 };
const STEPS = 200;
const TUNED_SAMPLES = 256;

interface Results {
  goals: Goal[];
  tuned: {
    bits: number;
    averageBits: number;
    kl: number;
    goal: number;
    met: boolean;
    steps: number;
    seconds: number;
  }[];
  reports: SweepReport[];
  demo: DemoReport | null;
}

const FILE = join(root, 'bench', 'results', 'accuracy.json');
const wasm = await loadKernels();
const only = process.argv.slice(2);
const wanted = (part: string) => only.length === 0 || only.some((piece) => part.includes(piece));
const reports: SweepReport[] = [];
for (const { name, set, evaluationSamples } of MODELS) {
  if (!wanted(name)) continue;
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

const tuned: Results['tuned'] = [];
for (const bits of wanted('tuned') ? Object.keys(TUNED).map(Number).sort() : []) {
  const start = performance.now();
  const arrays = readNpz(read('text-eval.npz'), 'text-eval.npz');
  const first = new Map([...arrays].map(([name, t]) => [name, head(t, TUNED_SAMPLES)]));
  const { plan, report } = await quantize(wasm, read('transformer-text.onnx'), {
    name: 'transformer-text.onnx',
    bits,
    tune: STEPS,
    calibration: data('text-calib.npz'),
    evaluation: datasetFromArrays(first, 'text-eval.npz'),
  });
  const kl = report.evaluation!.reference!.kl! * 1e3;
  const goal = TUNED[bits]!;
  const seconds = Math.round((performance.now() - start) / 1000);
  tuned.push({ bits, averageBits: plan.averageBits, kl, goal, met: kl <= goal, steps: STEPS, seconds });
  console.log(
    `transformer, ${bits} bits, ${STEPS} steps of tuning: KL x 10^3 ${kl.toPrecision(3)} (goal ${goal}), ${seconds} s`,
  );
}

function head(t: Tensor, n: number): Tensor {
  const each = t.data.length / t.dims[0]!;
  return { dtype: t.dtype, dims: [n, ...t.dims.slice(1)], data: t.data.slice(0, n * each) };
}

interface Goal {
  readonly model: string;
  readonly budget: number;
  readonly averageBits: number;
  readonly kl: number;
  readonly goal: number;
  readonly uniform: number;
  readonly share: number;
  readonly shareGoal: number | null;
  readonly accuracy: number | null;
  readonly crossEntropy: number | null;
  readonly met: boolean;
}

const goals: Goal[] = reports.flatMap((report) =>
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

let demo: DemoReport | null = null;
if (wanted('demo')) {
  const models = ['mnist-mlp.onnx', 'mnist-mlp-seed1.onnx', 'mnist-mlp-seed2.onnx'].map((name) => ({
    name,
    bytes: read(name),
  }));
  const found = await demonstrate(wasm, {
    models,
    calibration: data('mnist-calib.npz'),
    evaluation: data('mnist-eval.npz'),
  });
  demo = found.report;
  console.log(`\n${demoText(found.report)}`);
}

const before: Results | undefined = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : undefined;
const measured = new Set(reports.map((r) => r.model.name));
const order = (name: string) => MODELS.findIndex((m) => m.name === name);
const results: Results = {
  goals: [...(before?.goals ?? []).filter((g) => !measured.has(g.model)), ...goals].sort(
    (a, b) => order(a.model) - order(b.model),
  ),
  tuned: tuned.length > 0 ? tuned : (before?.tuned ?? []),
  reports: [...(before?.reports ?? []).filter((r) => !measured.has(r.model.name)), ...reports].sort(
    (a, b) => order(a.model.name) - order(b.model.name),
  ),
  demo: demo ?? before?.demo ?? null,
};
mkdirSync(dirname(FILE), { recursive: true });
writeFileSync(FILE, `${JSON.stringify(results, null, 1)}\n`);
