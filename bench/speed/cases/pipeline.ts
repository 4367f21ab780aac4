/**
 * The seed document's whole job on the full-size ResNet-18 (calibration with running statistics, every spectrum, spectral
 * curvature, exact allocation, quantization, the file), beside onnxruntime-web that does the calibration's forward passes alone.
 * Each is a process of its own: time and peak memory.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calibrate } from '../../../src/calibrate/calibrate.ts';
import {
  CurvatureQuantizationAnalyzer,
  datasetFromSamples,
  PrecisionAwareQuantizer,
  readModel,
  type Tensor,
  writeModel,
} from '../../../src/node.ts';
import type { Build } from '../../../src/report/bench.ts';
import { type BenchCase, type Group, kernelsOf, type Lab, type Row, reasonFor, unmeasured } from '../lab.ts';
import { median, speedRatio } from '../measure.ts';
import { floatTensor } from '../models.ts';
import { load } from '../peers/load.ts';
import { type Engine, ortModel } from '../peers/ort.ts';
import { normals, random } from '../random.ts';
import { resnet18 } from '../resnet18.ts';

const TIME = 'pipeline resnet18';
const MEMORY = 'pipeline resnet18, peak memory';
const WEB: Engine = 'onnxruntime-web';
const PEER = `${WEB}, forward passes alone`;
const AVERAGE_BITS = 4;

export interface PipelineTask {
  readonly pipeline: 'ours' | 'peer';
  readonly build: Build;
  /** The model's file. */
  readonly file: string;
  readonly batches: number;
}

export interface PipelineResult {
  /** From the first byte of the model's file to the end, in milliseconds. */
  readonly cpu: number;
  readonly wall: number;
  /** Largest resident memory of the process, in bytes. */
  readonly peak: number;
}

const SIZE = 224;
const EACH = 3 * SIZE * SIZE;
/** How far one image is shifted from the next within the same numbers. */
const SHIFT = 37;

/** Images that differ and cost nothing to make: windows of one run of random numbers. */
function images(batches: number): (i: number) => Tensor {
  const numbers = normals(EACH + SHIFT * batches, random(5));
  return (i) => floatTensor([1, 3, SIZE, SIZE], numbers.slice(i * SHIFT, i * SHIFT + EACH));
}

/** What one of the two processes does. */
export async function runPipeline(task: PipelineTask): Promise<PipelineResult> {
  const image = images(task.batches);
  const used = process.cpuUsage();
  const start = performance.now();
  if (task.pipeline === 'ours') await ours(task, image);
  else await peer(task, image);
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(used);
  return { cpu: (user + system) / 1000, wall, peak: 1024 * process.resourceUsage().maxRSS };
}

async function ours({ file, build, batches }: PipelineTask, image: (i: number) => Tensor): Promise<void> {
  const wasm = await kernelsOf(build, 1);
  const original = readFileSync(file);
  // One scale a tensor, max|w| at the end of the range, nearest codes: the document's Q(x).
  const rounding = {
    granularity: 'tensor',
    clip: 'max',
    scaleType: 'float',
    asymmetricBits: [],
    rounding: 'nearest',
  } as const;
  const analyzer = new CurvatureQuantizationAnalyzer(readModel(original), wasm, { metric: 'spectral', rounding });
  const samples = Array.from({ length: batches }, (_, i) => ({
    name: `image ${i}`,
    read: () => new Map([['image', image(i)]]),
  }));
  const dataset = await datasetFromSamples(samples, 'images');
  const { values } = await calibrate(wasm, analyzer.session, [], dataset, { batch: 1, samples: batches });
  const curvatures = await analyzer.computeCurvature();
  for (const { layer, spectrum } of curvatures) {
    const { sigma } = spectrum;
    if (!(sigma[0]! > 0 && sigma.length === Math.min(layer.rows, layer.cols)))
      throw new Error(
        `${layer.name}: expected ${Math.min(layer.rows, layer.cols)} singular values, found ${sigma.length}`,
      );
  }
  const plan = analyzer.optimizeBitAllocation(AVERAGE_BITS, 'exact');
  const quantizer = new PrecisionAwareQuantizer(wasm, { clip: 'max', scaleType: 'float', keepValues: false });
  const bytes = writeModel(quantizer.quantizeModel(analyzer.model, plan).model);
  writeFileSync(`${file}.small`, bytes);
  analyzer.dispose();
  const expected = (original.length * (AVERAGE_BITS + 1)) / 32;
  if (values.size === 0 || curvatures.length !== 21 || plan.averageBits > AVERAGE_BITS || bytes.length > expected)
    throw new Error(
      `expected statistics, 21 layers, ${AVERAGE_BITS} bits and ${expected} bytes at most, found ${values.size}, ${curvatures.length}, ${plan.averageBits} and ${bytes.length}`,
    );
}

async function peer({ file, batches }: PipelineTask, image: (i: number) => Tensor): Promise<void> {
  const model = await ortModel(WEB, readFileSync(file), {});
  for (let i = 0; i < batches; i++) {
    const { logits } = await model.run({ image: image(i) });
    if (logits?.data.length !== 1000) throw new Error('expected 1,000 logits');
  }
  await model.close();
}

/** A process for one of the two. */
function inProcess(task: PipelineTask): Promise<PipelineResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, JSON.stringify(task)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    let result: PipelineResult | undefined;
    child.on('message', (message) => {
      result = message as PipelineResult;
    });
    child.on('error', reject);
    child.on('exit', (code) =>
      result ? resolve(result) : reject(new Error(`the process of ${task.pipeline} ended with exit code ${code}`)),
    );
  });
}

async function run(lab: Lab): Promise<Row[]> {
  load(WEB);
  const [rounds, batches] = lab.quick ? [1, 20] : [7, 100];
  const folder = mkdtempSync(join(tmpdir(), 'kappa-bench-'));
  const clean = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clean);
  try {
    const file = join(folder, 'resnet18.onnx');
    writeFileSync(file, resnet18());
    const task = { build: lab.build, file, batches };
    const all: { readonly ours: PipelineResult; readonly peer: PipelineResult }[] = [];
    for (let i = 0; i < rounds; i++) {
      const mine = await inProcess({ ...task, pipeline: 'ours' });
      all.push({ ours: mine, peer: await inProcess({ ...task, pipeline: 'peer' }) });
    }
    const middle = (of: (r: PipelineResult) => number) =>
      [median(all.map((r) => of(r.ours))), median(all.map((r) => of(r.peer)))] as const;
    const [cpu, wall, peak] = [middle((r) => r.cpu), middle((r) => r.wall), middle((r) => r.peak)];
    const ratio = speedRatio(...cpu);
    return [
      { name: TIME, peer: PEER, ratio, ours_ms: cpu[0], peer_ms: cpu[1], detail: { clock: 'cpu', wall_ms: wall } },
      {
        name: MEMORY,
        peer: PEER,
        ratio: speedRatio(...peak),
        ours_ms: null,
        peer_ms: null,
        detail: { clock: 'memory', peak_bytes: peak },
      },
    ];
  } catch (error) {
    return [unmeasured(TIME, PEER, 'cpu', reasonFor(error)), unmeasured(MEMORY, PEER, 'memory', reasonFor(error))];
  } finally {
    process.off('exit', clean);
    clean();
  }
}

const both: BenchCase = { name: TIME, peers: [PEER], run };

export const pipeline: Group = { name: 'pipeline', cases: [both] };
