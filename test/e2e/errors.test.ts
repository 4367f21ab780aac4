import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tensor } from '../../src/tensor.ts';
import { makePlace, network, npz, type Place, SIZES, samples } from './command.ts';

const test = suite<{ place: Place }>('what goes wrong');

test.before((context) => {
  context.place = makePlace();
  const { place } = context;
  place.write('net.onnx', network());
  place.write('calib.npz', npz(samples(64)));
});
test.after(({ place }) => place.remove());

/** The command fails with that code and one line, prints nothing else, and leaves the folder as it was. */
async function fails(place: Place, args: readonly string[], code: number, message: RegExp): Promise<void> {
  const before = place.files();
  const { code: found, stdout, stderr } = await place.kappa(...args, '--quiet');
  const about = `kappa ${args.join(' ')}: ${stderr}`;
  assert.is(found, code, about);
  assert.is(stdout, '', about);
  assert.match(stderr, /^error: [^\n]+\n$/, about);
  assert.match(stderr, message);
  assert.not.match(stderr, /internal error/);
  assert.equal(place.files(), before, about);
}

const job = ['--bits', '4.5', '--calib', 'calib.npz', '-o', 'out.onnx'];

test('flags and commands', async ({ place }) => {
  await fails(place, ['quantize', 'net.onnx', '--bitz', '4'], 2, /unknown flag '--bitz'; did you mean --bits\?/);
  await fails(place, ['quantize', 'net.onnx', '--zzzzzz'], 2, /unknown flag '--zzzzzz'; --help lists the flags/);
  await fails(place, ['inspekt', 'net.onnx'], 2, /unknown command 'inspekt'; did you mean inspect\?/);
  await fails(place, ['inspect'], 2, /missing required argument 'model'/);
  await fails(place, ['inspect', 'net.onnx', 'other.onnx'], 2, /too many arguments/);
  await fails(place, ['eval', 'net.onnx'], 2, /required option '--eval <data>' not specified/);
  await fails(
    place,
    ['quantize', 'net.onnx', '--bits'],
    2,
    /--bits: expected a number from 0\.01 to 32, got '--quiet'/,
  );
  await fails(place, ['demo', 'cifar'], 2, /demo: expected one of mnist, resnet, transformer, got 'cifar'/);
});

test('no command at all', async ({ place }) => {
  const { code, stdout, stderr } = await place.kappa();
  assert.is(code, 2);
  assert.is(stdout, '');
  assert.is(stderr, 'error: expected a command; kappa --help lists them\n');
});

test('values of flags', async ({ place }) => {
  const bad: [string[], RegExp][] = [
    [['--bits', 'four'], /--bits: expected a number from 0\.01 to 32, got 'four'/],
    [['--bits', '-1'], /--bits: expected a number from 0\.01 to 32, got '-1'/],
    [['--budget', '1.2XB'], /--budget: expected a size such as/],
    [['--bits', '4', '--widths', '1-9'], /--widths: expected 'hardware', a range/],
    [['--bits', '4', '--metric', 'guess'], /--metric: expected one of .*kl.*, got 'guess'/],
    [['--bits', '4', '--strategy', 'guess'], /--strategy: expected one of .*exact.*best, got 'guess'/],
    [['--bits', '4', '--objective', 'guess'], /--objective: expected one of sum/],
    [['--bits', '4', '--rounding', 'guess'], /--rounding: expected one of nearest/],
    [['--bits', '4', '--granularity', '0'], /--granularity: expected tensor, channel or a number/],
    [['--bits', '4', '--format', 'guess'], /--format: expected one of .*qdq/],
    [['--bits', '4', '--loss', 'guess'], /--loss: expected one of auto, kl, mse/],
    [['--bits', '4', '--samples', '0'], /--samples: expected a whole number/],
    [['--bits', '4', '--seed', '1.5'], /--seed: expected a whole number/],
    [['--bits', '4', '--pin', 'fc0'], /--pin: expected NAME=BITS/],
    [['--bits', '4', '--pin', 'nothing=4'], /--pin: no layer matches 'nothing'; there are fc0, fc1, fc2/],
    [['--bits', '4', '--exclude', 'nothing'], /--exclude: no layer matches 'nothing'/],
    [['--bits', '4', '--tie', 'fc0'], /--tie: expected two layers or more/],
    [[], /expected --bits, --budget, --max-drop, --max-error or --plan: how small/],
    [
      ['--bits', '4', '--budget', '5kB'],
      /expected one of --bits, --budget, --max-drop, --max-error and --plan, got --bits and --budget/,
    ],
    [['--max-drop', 'accuracy:1%', '--max-error', '1'], /expected one of .*, got --max-drop and --max-error/],
    [['--max-error', '0'], /--max-error: expected a number/],
    [['--plan', 'net.onnx', '--pin', 'fc0=4'], /--pin: has no effect with --plan/],
  ];
  for (const [args, message] of bad)
    await fails(place, ['quantize', 'net.onnx', '-o', 'out.onnx', ...args], 2, message);
});

test('models that are none', async ({ place }) => {
  place.write('empty.onnx', '');
  place.write('text.onnx', 'this is text, not a model\n');
  place.write('archive.onnx', zipSync({ 'a.txt': new Uint8Array(10) }));
  place.write('short.onnx', network().subarray(0, 3000));
  mkdirSync(join(place.dir, 'folder.onnx'), { recursive: true });
  const bad: [string, RegExp][] = [
    ['missing.onnx', /model 'missing\.onnx': no such file/],
    ['empty.onnx', /empty\.onnx: the file is empty, expected an ONNX model/],
    ['text.onnx', /text\.onnx: not an ONNX model/],
    ['archive.onnx', /archive\.onnx: not an ONNX model but a zip archive/],
    ['short.onnx', /short\.onnx: /],
    ['folder.onnx', /'folder\.onnx': is a directory, expected a file/],
  ];
  for (const [name, message] of bad) {
    await fails(place, ['quantize', name, ...job], 3, message);
    await fails(place, ['inspect', name], 3, message);
  }
  await fails(place, ['eval', 'missing.onnx', '--eval', 'calib.npz'], 3, /'missing\.onnx': no such file/);
  await fails(
    place,
    ['compare', 'net.onnx', 'missing.onnx', '--calib', 'calib.npz'],
    3,
    /'missing\.onnx': no such file/,
  );
  await fails(
    place,
    ['run', 'missing.onnx', '--inputs', 'calib.npz', '-o', 'out.npz'],
    3,
    /'missing\.onnx': no such file/,
  );
  await fails(place, ['analyze', 'missing.onnx'], 3, /'missing\.onnx': no such file/);
});

test('an operator nobody runs: named, exit code 4; inspect still says what is there', async ({ place }) => {
  place.write('odd.onnx', network(SIZES, 1, 'Frobnicate'));
  for (const args of [
    ['quantize', 'odd.onnx', ...job],
    ['analyze', 'odd.onnx', '--calib', 'calib.npz'],
    ['eval', 'odd.onnx', '--eval', 'calib.npz'],
    ['run', 'odd.onnx', '--inputs', 'calib.npz', '-o', 'out.npz'],
  ])
    await fails(place, args, 4, /Frobnicate/);
  const { code, stdout } = await place.kappa('inspect', 'odd.onnx');
  assert.is(code, 0);
  assert.match(stdout, /not supported: Frobnicate/);
});

test('data that does not fit', async ({ place }) => {
  const x = samples(8).get('x')!;
  const bad: [string, Uint8Array | string, RegExp][] = [
    ['name', npz([['image', x]]), /no array for the model's input ['"]x['"] .*there are: ['"]image['"]/],
    [
      'shape',
      npz([['x', tensor('float', [4, 48], x.data)]]),
      /['"]x['"] is \[4, ?48\], expected .*axis 1 must be 24, found 48/,
    ],
    [
      'type',
      npz([['x', tensor('double', x.dims, Float64Array.from(x.data as Float32Array))]]),
      /['"]x['"] is double .*expected float .*astype/,
    ],
    [
      'nan',
      npz([
        [
          'x',
          tensor(
            'float',
            x.dims,
            (x.data as Float32Array).map((v, i) => (i === 30 ? Number.NaN : v)),
          ),
        ],
      ]),
      /['"]x['"] holds NaN in sample 1 \(element 6 of it\)/,
    ],
    ['none', npz([['x', tensor('float', [0, 24], new Float32Array(0))]]), /no samples/],
    [
      'labels',
      npz([
        ['x', x],
        ['labels', tensor('float', [8], new Float32Array(8))],
      ]),
      /labels are float \[8\], expected integers/,
    ],
    ['text', 'text', /not an \.npz archive/],
    ['empty', '', /not an \.npz archive: the file is empty/],
    ['short', npz(samples(64)).subarray(0, 900), /short\.npz: /],
  ];
  for (const [name, bytes, message] of bad) {
    place.write(`${name}.npz`, bytes);
    await fails(
      place,
      ['quantize', 'net.onnx', '--bits', '4.5', '--calib', `${name}.npz`, '-o', 'out.onnx'],
      3,
      message,
    );
  }
  await fails(place, ['quantize', 'net.onnx', ...job, '--eval', 'nan.npz'], 3, /['"]x['"] holds NaN/);
  await fails(place, ['analyze', 'net.onnx', '--calib', 'shape.npz'], 3, /axis 1 must be 24/);
  await fails(place, ['eval', 'net.onnx', '--eval', 'nan.npz'], 3, /['"]x['"] holds NaN/);
  await fails(place, ['compare', 'net.onnx', 'net.onnx', '--calib', 'type.npz'], 3, /['"]x['"] is double/);
  await fails(place, ['run', 'net.onnx', '--inputs', 'shape.npz', '-o', 'out.npz'], 3, /['"]x['"].*\[N, ?24\]/);
  await fails(
    place,
    ['quantize', 'net.onnx', '--bits', '4.5', '--calib', 'missing.npz', '-o', 'out.onnx'],
    3,
    /data 'missing\.npz': no such file/,
  );
  mkdirSync(join(place.dir, 'data'), { recursive: true });
  await fails(place, ['eval', 'net.onnx', '--eval', 'data'], 3, /expected a folder of \.npz files/);
});

test('budgets that no widths meet', async ({ place }) => {
  const calib = ['--calib', 'calib.npz', '-o', 'out.onnx'];
  await fails(
    place,
    ['quantize', 'net.onnx', '--bits', '1.5', ...calib],
    2,
    /below the smallest.*allowed: \d+ to \d+ bytes/,
  );
  await fails(
    place,
    ['quantize', 'net.onnx', '--bits', '12', ...calib],
    2,
    /above the largest.*allowed: \d+ to \d+ bytes/,
  );
  await fails(place, ['quantize', 'net.onnx', '--bits', '3', '--widths', '4,8', ...calib], 2, /below the smallest/);
  await fails(
    place,
    ['quantize', 'net.onnx', '--budget', '100B', ...calib],
    2,
    /budget 100 bytes: expected at least \d+/,
  );
  await fails(place, ['quantize', 'net.onnx', '--bits', '5', '--format', 'qdq', '--widths', '2-8', ...calib], 2, /qdq/);
  await fails(place, ['quantize', 'net.onnx', '--bits', '4.5', '--metric', 'kl', '-o', 'out.onnx'], 2, /--calib/);
});

test('outputs in the way', async ({ place }) => {
  place.write('there.onnx', 'precious');
  await fails(
    place,
    ['quantize', 'net.onnx', '--bits', '4.5', '-o', 'there.onnx'],
    2,
    /output 'there\.onnx': exists already; --force replaces it/,
  );
  await fails(place, ['run', 'net.onnx', '--inputs', 'calib.npz', '-o', 'there.onnx'], 2, /exists already/);
  await fails(place, ['quantize', 'net.onnx', '--bits', '4.5', '-o', 'no/where.onnx'], 2, /there is no directory 'no'/);
  await fails(
    place,
    ['quantize', 'net.onnx', '--bits', '4.5', '-o', 'net.onnx', '--force'],
    2,
    /'net\.onnx': is an input as well/,
  );
  await fails(
    place,
    ['quantize', 'net.onnx', '--bits', '4.5', '-o', 'a.onnx', '--save-plan', './a.onnx'],
    2,
    /--save-plan '\.\/a\.onnx': is --output as well/,
  );
  await fails(
    place,
    ['quantize', 'net.onnx', '--bits', '4.5', '-o', 'a.onnx', '--cache', 'there.onnx'],
    2,
    /cache 'there\.onnx': is no cache of Kappa's/,
  );
});

test('the demonstration without its models, or with its outputs in the way', async ({ place }) => {
  await fails(place, ['demo', 'mnist', '--models', '.'], 3, /model 'mnist-mlp\.onnx': no such file/);
  await fails(place, ['demo', 'mnist', '--seeds', '4'], 2, /--seeds: expected a whole number from 1 to 3/);
  await fails(place, ['demo', 'mnist', '-o', 'net.onnx'], 2, /--output 'net\.onnx': expected a folder/);
  place.write('mnist-mlp-guided-6b.onnx', 'precious');
  await fails(place, ['demo', 'mnist', '-o', '.'], 2, /'mnist-mlp-guided-6b\.onnx': exists already/);
});

test('plans that are none', async ({ place }) => {
  const plan = (layers: unknown, more: object = {}) =>
    JSON.stringify({
      version: 1,
      metric: 'kl',
      strategy: 'hand',
      objective: 'sum',
      averageBits: 4,
      bytes: 1,
      predicted: 0,
      gap: null,
      layers,
      ...more,
    });
  const layer = {
    name: 'fc0',
    weight: 'fc0.weight',
    bits: 4,
    granularity: 'channel',
    symmetric: true,
    rounding: 'nearest',
    format: 'dense',
  };
  const bad: [string, RegExp][] = [
    ['{', /expected JSON as --save-plan writes it/],
    ['[]', /expected an object, found an array/],
    [plan([], { version: 2 }), /version: expected 1, found 2/],
    [plan([{ ...layer, bits: 9 }]), /layers\[0\]\.bits: expected 2 to 8, 16, or 32 for float, found 9/],
    [plan([{ ...layer, bits: '4' }]), /layers\[0\]\.bits: expected an integer/],
    [plan([{ ...layer, symmetric: 1 }]), /layers\[0\]\.symmetric: expected true or false, found 1/],
    [plan([{ ...layer, granularity: 'row' }]), /layers\[0\]\.granularity: expected 'tensor', 'channel'/],
    [plan([{ ...layer, weight: 'other' }]), /layer 'fc0': the model has no quantizable weight 'other'/],
    [plan([{ ...layer, format: 'gguf' }]), /layer 'fc0': format: expected one of .*qdq/],
    [plan([{ ...layer, rounding: 'up' }]), /layer 'fc0': rounding: expected one of nearest/],
    [plan([layer, layer]), /layers: expected names that differ, found 'fc0'/],
  ];
  for (const [text, message] of bad) {
    place.write('plan.json', text);
    await fails(place, ['quantize', 'net.onnx', '--plan', 'plan.json', '-o', 'out.onnx'], 2, message);
  }
  await fails(
    place,
    ['quantize', 'net.onnx', '--plan', 'missing.json', '-o', 'out.onnx'],
    2,
    /plan 'missing\.json': no such file/,
  );
});

test('a failure says nothing of where it happened unless asked', async ({ place }) => {
  const plain = await place.kappa('inspect', 'missing.onnx', '--json');
  assert.is(plain.stdout, '');
  assert.is(plain.stderr, "error: model 'missing.onnx': no such file\n");
  const verbose = await place.kappa('inspect', 'missing.onnx', '--verbose');
  assert.match(verbose.stderr, /^error: model 'missing\.onnx': no such file\nModelError: .*\n +at /);
});

test.run();
