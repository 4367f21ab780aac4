import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readNpz } from '../../src/data/index.ts';
import type { QuantizeReport } from '../../src/report/types.ts';
import { VERSION } from '../../src/version.ts';
import { makePlace, network, npz, type Outcome, type Place, samples } from './command.ts';

const test = suite<{ place: Place }>('the command');

test.before.each((context) => {
  context.place = makePlace();
  const { place } = context;
  place.write('net.onnx', network());
  place.write('calib.npz', npz(samples(96)));
  place.write('eval.npz', npz(samples(200, undefined, undefined, 5)));
});
test.after.each(({ place }) => place.remove());

const bytesOf = (place: Place, name: string) => readFileSync(join(place.dir, name));

/** It ended well, and said nothing on stderr that a machine would have to skip. */
function ok({ code, stdout, stderr }: Outcome): string {
  assert.is(code, 0, stderr);
  return stdout;
}

function json<T>(outcome: Outcome): T {
  const text = ok(outcome);
  const value = JSON.parse(text) as T;
  assert.is(text, `${JSON.stringify(value, null, 2)}\n`, 'one document and nothing else');
  return value;
}

const COMMANDS = ['quantize', 'analyze', 'sweep', 'eval', 'compare', 'run', 'inspect', 'demo', 'bench'];

test('help of the program and of each command, with examples; the version', async ({ place }) => {
  const all = ok(await place.kappa('--help'));
  for (const name of COMMANDS) assert.match(all, new RegExp(`^  ${name}\\b`, 'm'));
  assert.match(all, /Exit codes: 0 done/);
  for (const name of COMMANDS) {
    const help = ok(await place.kappa(name, '--help'));
    assert.match(help, new RegExp(`^Usage: kappa ${name} `));
    for (const flag of ['--json', '--quiet', '--verbose', '--no-color', '--help']) assert.match(help, flag);
    assert.match(help, new RegExp(`^  \\$ kappa ${name} `, 'm'));
  }
  assert.is(ok(await place.kappa('--version')), `${VERSION}\n`);
});

test('quantize: a smaller file of the default name, a report, nothing else', async ({ place }) => {
  const before = place.files();
  const outcome = await place.kappa(
    'quantize',
    'net.onnx',
    '--bits',
    '4.5',
    '--calib',
    'calib.npz',
    '--eval',
    'eval.npz',
  );
  const text = ok(outcome);
  assert.equal(place.files(), [...before, 'net-4.5b.onnx'].sort());
  const [original, written] = [bytesOf(place, 'net.onnx'), bytesOf(place, 'net-4.5b.onnx')];
  assert.ok(written.length < original.length / 2, `${written.length} of ${original.length} bytes`);
  assert.match(text, /^net\.onnx: .* smaller\n/);
  for (const part of ['Layers', 'Allocations compared', 'Held-out data', 'What is known, and how', 'fc0', 'uniform'])
    assert.ok(text.includes(part), part);
  assert.not.ok(text.includes('\u001b'));
  assert.not.ok(text.includes(place.dir));
  assert.match(outcome.stderr, /^wrote net-4\.5b\.onnx: /m);
});

test('quantize --json: the documented fields; within the budget, never worse than uniform', async ({ place }) => {
  const outcome = await place.kappa(
    'quantize',
    'net.onnx',
    '--bits',
    '4.5',
    '--calib',
    'calib.npz',
    '--eval',
    'eval.npz',
    '--json',
    '--quiet',
  );
  const report = json<QuantizeReport & { output: { file: string } }>(outcome);
  assert.is(outcome.stderr, '');
  assert.is(report.kappa, VERSION);
  assert.is(report.model.name, 'net.onnx');
  assert.is(report.model.bytes, bytesOf(place, 'net.onnx').length);
  assert.is(report.output.file, 'net-4.5b.onnx');
  assert.is(report.output.bytes, bytesOf(place, 'net-4.5b.onnx').length);
  assert.is(report.budget.averageBits, 4.5);
  assert.ok(report.averageBits <= 4.5, String(report.averageBits));
  assert.equal(
    report.layers.map((l) => l.name),
    ['fc0', 'fc1', 'fc2'],
  );
  for (const l of report.layers)
    for (const key of [
      'opType',
      'params',
      'bits',
      'bytes',
      'spectralCurvature',
      'lossCurvature',
      'damage',
      'reason',
    ] as const)
      assert.ok(l[key] !== undefined, key);
  const sum = report.layers.reduce((n, l) => n + l.bytes, 0);
  assert.is((8 * sum) / report.model.quantizable, report.averageBits);
  assert.is(report.unit, 'kl');
  // Of 96 samples the last fifth, 20, judges plans and is not calibrated on.
  assert.equal(report.calibration, { samples: 76, measured: 76, judged: 20 });
  const uniform = report.allocations.find((a) => a.name === 'uniform')!;
  assert.ok(report.allocations[0]!.damage! <= uniform.damage!);
  assert.is(report.evaluation?.samples, 200);
  assert.type(report.evaluation?.reference?.kl, 'number');
  for (const g of report.guarantees) assert.ok(['proved', 'measured', 'proxy'].includes(g.label));
});

test('a budget of bytes holds for the file', async ({ place }) => {
  ok(await place.kappa('quantize', 'net.onnx', '--budget', '5kB', '--calib', 'calib.npz'));
  assert.ok(bytesOf(place, 'net-5kB.onnx').length <= 5000);
});

test('the same run twice is byte-identical; --force replaces; without data it says so', async ({ place }) => {
  const args = ['quantize', 'net.onnx', '--bits', '3.6', '--calib', 'calib.npz', '-o', 'out.onnx'];
  ok(await place.kappa(...args));
  const first = bytesOf(place, 'out.onnx');
  assert.is((await place.kappa(...args)).code, 2);
  ok(await place.kappa(...args, '--force'));
  assert.ok(first.equals(bytesOf(place, 'out.onnx')));
  const { stdout, stderr } = await place.kappa('quantize', 'net.onnx', '--bits', '4', '-o', 'blind.onnx');
  assert.match(stderr, /no --calib: widths are chosen from the weights alone/);
  assert.match(stdout, /no calibration data/);
});

test('a plan that was saved gives the same file; pins, exclusions and ties are kept', async ({ place }) => {
  const widths = (name: string) => {
    const plan = JSON.parse(bytesOf(place, name).toString()) as { layers: { name: string; bits: number }[] };
    return new Map(plan.layers.map((l) => [l.name, l.bits]));
  };
  const job = ['quantize', 'net.onnx', '--calib', 'calib.npz'];
  const tied = ['--bits', '13.8', '--exclude', 'fc0.*', '--tie', 'fc1,fc2', '-o', 'a.onnx', '--save-plan', 'plan.json'];
  ok(await place.kappa(...job, ...tied));
  const made = widths('plan.json');
  assert.is(made.get('fc0'), 32);
  assert.is(made.get('fc1'), 4);
  assert.is(made.get('fc2'), 4);
  ok(await place.kappa(...job, '--bits', '4.5', '--pin', 'fc2=8', '-o', 'p.onnx', '--save-plan', 'pinned.json'));
  assert.is(widths('pinned.json').get('fc2'), 8);
  ok(await place.kappa('quantize', 'net.onnx', '--plan', 'plan.json', '--calib', 'calib.npz', '-o', 'b.onnx'));
  assert.ok(bytesOf(place, 'a.onnx').equals(bytesOf(place, 'b.onnx')));
});

test('a cache: measured once, used for another budget, the same file with it and without', async ({ place }) => {
  const run = (...more: string[]) => place.kappa('quantize', 'net.onnx', '--calib', 'calib.npz', '--force', ...more);
  const first = await run('--bits', '5', '-o', 'five.onnx', '--cache', 'cost.json');
  ok(first);
  assert.match(first.stderr, /cache 'cost\.json': none yet, measuring/);
  const cache = bytesOf(place, 'cost.json');
  const second = await run('--bits', '4.5', '-o', 'cached.onnx', '--cache', 'cost.json');
  ok(second);
  assert.match(second.stderr, /cache 'cost\.json': used/);
  ok(await run('--bits', '4.5', '-o', 'plain.onnx'));
  assert.ok(bytesOf(place, 'cached.onnx').equals(bytesOf(place, 'plain.onnx')));
  assert.ok(cache.equals(bytesOf(place, 'cost.json')));

  // other data: measured anew and rewritten
  const other = await place.kappa(
    'quantize',
    'net.onnx',
    '--calib',
    'eval.npz',
    '--bits',
    '5',
    '-o',
    'e.onnx',
    '--cache',
    'cost.json',
  );
  ok(other);
  assert.match(other.stderr, /made from another model, data or settings; measuring anew/);
  assert.not.ok(cache.equals(bytesOf(place, 'cost.json')));
  // a damaged one, its key intact: measured anew
  const text = bytesOf(place, 'cost.json').toString();
  writeFileSync(join(place.dir, 'cost.json'), text.replace(/"damage":[^,]+,/, '"damage":"x",'));
  const damaged = await place.kappa(
    'quantize',
    'net.onnx',
    '--calib',
    'eval.npz',
    '--bits',
    '5',
    '-o',
    'f.onnx',
    '--cache',
    'cost.json',
  );
  ok(damaged);
  assert.match(damaged.stderr, /cache 'cost\.json': damaged .*measuring anew/);
  assert.is(bytesOf(place, 'cost.json').toString(), text);
});

test('run agrees with onnxruntime on the model and on both forms of the quantized one', async ({ place }) => {
  ok(await place.kappa('quantize', 'net.onnx', '--bits', '4.5', '--calib', 'calib.npz', '-o', 'dense.onnx'));
  ok(
    await place.kappa(
      'quantize',
      'net.onnx',
      '--bits',
      '6',
      '--format',
      'qdq',
      '--calib',
      'calib.npz',
      '-o',
      'qdq.onnx',
    ),
  );
  const x = readNpz(bytesOf(place, 'eval.npz')).get('x')!;
  for (const name of ['net.onnx', 'dense.onnx', 'qdq.onnx']) {
    const report = json<{ file: string; outputs: unknown }>(
      await place.kappa('run', name, '--inputs', 'eval.npz', '-o', `${name}.npz`, '--json'),
    );
    assert.equal(report, { file: `${name}.npz`, outputs: [{ name: 'logits', type: 'float', dims: [200, 12] }] });
    const ours = readNpz(bytesOf(place, `${name}.npz`)).get('logits')!.data as Float32Array;
    const session = await InferenceSession.create(join(place.dir, name), {
      logSeverityLevel: 3,
      extra: { session: { disable_quant_qdq: '1' } },
    });
    const { logits } = await session.run({ x: new OrtTensor('float32', x.data as Float32Array, [...x.dims]) });
    const theirs = logits!.data as Float32Array;
    let [error, norm] = [0, 0];
    for (let i = 0; i < theirs.length; i++) {
      error += (ours[i]! - theirs[i]!) ** 2;
      norm += theirs[i]! ** 2;
    }
    assert.is(ours.length, theirs.length);
    assert.ok(Math.sqrt(error / norm) < 1e-4, `${name}: ${Math.sqrt(error / norm)}`);
    // in pieces: the same values, whatever the size of the last one
    ok(await place.kappa('run', name, '--inputs', 'eval.npz', '-o', 'pieces.npz', '--batch', '33', '--force'));
    const pieces = readNpz(bytesOf(place, 'pieces.npz')).get('logits')!;
    assert.equal(pieces.dims, [200, 12]);
    const apart = ours.reduce((most, v, i) => Math.max(most, Math.abs(v - (pieces.data as Float32Array)[i]!)), 0);
    assert.ok(apart < 1e-4, String(apart));
  }
});

test('eval, compare, analyze, inspect: text, and one JSON document with the documented fields', async ({ place }) => {
  ok(await place.kappa('quantize', 'net.onnx', '--bits', '4', '--calib', 'calib.npz', '-o', 'q.onnx'));
  const expectations: [string[], string[], RegExp][] = [
    [
      ['eval', 'q.onnx', '--eval', 'eval.npz', '--reference', 'net.onnx'],
      ['samples', 'predictions', 'accuracy', 'crossEntropy', 'reference'],
      /KL to the reference/,
    ],
    [['eval', 'net.onnx', '--eval', 'eval.npz'], ['samples', 'accuracy', 'crossEntropy'], /cross-entropy/],
    [
      ['compare', 'net.onnx', 'q.onnx', '--calib', 'calib.npz'],
      ['tensors', 'outputs', 'onlyInA', 'onlyInB', 'samples'],
      /SQNR/,
    ],
    [
      ['analyze', 'net.onnx', '--calib', 'calib.npz'],
      ['layers', 'operators', 'recommended', 'totalErrorBound', 'guarantees'],
      /Theorem 3\.4/,
    ],
    [['analyze', 'net.onnx'], ['layers', 'metric', 'unit'], /no calibration data/],
    [
      ['inspect', 'net.onnx'],
      ['inputs', 'outputs', 'operators', 'weights', 'left', 'opsets'],
      /every operator is supported/,
    ],
  ];
  for (const [args, fields, words] of expectations) {
    const text = ok(await place.kappa(...args));
    assert.match(text, words);
    assert.not.ok(text.includes(place.dir));
    const report = json<Record<string, unknown>>(await place.kappa(...args, '--json'));
    for (const field of fields) assert.ok(report[field] !== undefined, `${args[0]}: ${field}`);
  }
});

test('a folder of samples calibrates as well', async ({ place }) => {
  const x = samples(6).get('x')!;
  for (let i = 0; i < 6; i++)
    place.write(`s${i}.npz`, npz([['x', { ...x, dims: [1, 24], data: x.data.slice(i * 24, i * 24 + 24) }]]));
  place.write('calib.npz', npz([['x', x]]));
  // the folder holds the other archives too: not samples of this model's shape
  const outcome = await place.kappa('quantize', 'net.onnx', '--bits', '5', '--calib', '.', '-o', 'out.onnx');
  assert.is(outcome.code, 3);
  assert.match(outcome.stderr, /^error: [^\n]+$/m);
});

/** A network and data that take long enough to be interrupted. */
function slow(place: Place): string[] {
  place.write('big.onnx', network([256, 512, 512, 512, 512, 512, 16]));
  place.write('big.npz', npz(samples(2048, 256, 16)));
  return [
    'quantize',
    'big.onnx',
    '--bits',
    '4',
    '--calib',
    'big.npz',
    '-o',
    'out.onnx',
    '--cache',
    'cache.json',
    '--save-plan',
    'plan.json',
  ];
}

if (process.platform !== 'win32')
  test('Ctrl-C: exit code 130, and nothing is left behind', async ({ place }) => {
    const args = slow(place);
    const before = place.files();
    const { child, done } = place.start(args);
    child.stderr!.once('data', () => setTimeout(() => child.kill('SIGINT'), 300));
    const { code, signal, stdout, stderr } = await done;
    assert.is(signal, null);
    assert.is(code, 130, stderr);
    assert.is(stdout, '');
    assert.match(stderr, /error: interrupted\n$/);
    assert.equal(place.files(), before);
  });

test('output that nobody reads to the end is no failure', async ({ place }) => {
  const { child, done } = place.start(['inspect', 'net.onnx']);
  child.stdout!.destroy();
  const { code, stderr } = await done;
  assert.is(code, 0, stderr);
  assert.is(stderr, '');
});

test.run();
