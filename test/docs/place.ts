/** A folder with what the documentation's blocks speak of: a small model cut out of a trained one, its data, the package. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { readNpz, writeNpz } from '../../src/data/index.ts';
import { makeInitializer, readModel, withGraph, writeModel } from '../../src/onnx/index.ts';
import { DATA_TYPES, sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { ROOT } from '../helpers.ts';
import { attribute, int, join8, len, node, opset, tensorProto, valueInfo } from '../onnx/build.ts';

/** Units of the layers that are kept, and every which pixel of a row and column. */
const UNITS = [32, 32, 10] as const;
const STRIDE = 4;
const SIDE = 28;
const PIXELS = Array.from({ length: (SIDE / STRIDE) ** 2 }, (_, i) => {
  const [y, x] = [Math.floor(i / (SIDE / STRIDE)), i % (SIDE / STRIDE)];
  return STRIDE * (y * SIDE + x);
});

const models = join(ROOT, 'models');

/** The MNIST network on every fourth pixel with its first units: image [N, 49] -> logits [N, 10]. */
export function cutModel(): Uint8Array {
  const { graph } = readModel(readFileSync(join(models, 'mnist-mlp.onnx')), 'mnist-mlp.onnx');
  const weights = graph.initializers.filter((t) => t.dims.length === 2);
  const biases = graph.initializers.filter((t) => t.dims.length === 1);
  const parts: Uint8Array[] = [];
  let kept: readonly number[] = PIXELS;
  let value = 'image';
  for (const [l, units] of UNITS.entries()) {
    const [name, made] = l === UNITS.length - 1 ? ['head', 'logits'] : [`body.${l}`, `h${l}`];
    const from = weights[l]!.tensor();
    const scale = l === 0 ? STRIDE ** 2 : from.dims[1]! / kept.length;
    const rows = new Float32Array(units * kept.length);
    kept.forEach((col, j) => {
      for (let r = 0; r < units; r++) rows[r * kept.length + j] = scale * Number(from.data[r * from.dims[1]! + col]);
    });
    const bias = Float32Array.from(biases[l]!.tensor().data.subarray(0, units) as Float32Array);
    const transposed = attribute('transB', 2, int(3, 1));
    parts.push(len(1, node('Gemm', [value, `${name}.weight`, `${name}.bias`], [made], transposed)));
    if (made !== 'logits') parts.push(len(1, node('Relu', [made], [`r${l}`])));
    parts.push(len(5, tensorProto(`${name}.weight`, 1, [units, kept.length], raw(rows))));
    parts.push(len(5, tensorProto(`${name}.bias`, 1, [units], raw(bias))));
    value = `r${l}`;
    kept = Array.from({ length: units }, (_, i) => i);
  }
  const ends = [
    len(2, 'digits'),
    len(11, valueInfo('image', 1, ['N', PIXELS.length])),
    len(12, valueInfo('logits', 1, ['N', UNITS[2]])),
  ];
  return join8(int(1, 8), len(2, 'test'), len(7, join8(...parts, ...ends)), opset(17));
}

/** Most channels of what is narrowed: 10 classes and the taps of kernels stay. */
const CHANNELS = 12;

/** A trained convolutional network with the first channels of every layer alone. */
function narrowModel(name: string): Uint8Array {
  const model = readModel(readFileSync(join(models, name)), name);
  const initializers = model.graph.initializers.map((t) => {
    const dims = t.dims.map((d) => Math.min(d, CHANNELS));
    const whole = t.tensor();
    if (t.dataType !== DATA_TYPES.float || dims.join() === t.dims.join()) return t;
    const data = Float32Array.from({ length: sizeOf(dims) }, (_, i) => {
      let [at, rest, step] = [0, i, 1];
      for (let axis = dims.length - 1; axis >= 0; axis--) {
        at += (rest % dims[axis]!) * step;
        rest = Math.floor(rest / dims[axis]!);
        step *= t.dims[axis]!;
      }
      return Number(whole.data[at]);
    });
    return makeInitializer(t.name, tensor('float', dims, data));
  });
  return writeModel(withGraph(model, { initializers, valueInfo: [] }));
}

const raw = (data: Float32Array) => len(9, new Uint8Array(data.buffer));

/** The first samples of data in models/. */
function firstOf(name: string, count: number): Map<string, Tensor> {
  const arrays = readNpz(readFileSync(join(models, name)), name);
  return new Map(
    [...arrays].map(([key, t]) => {
      const each = t.data.length / t.dims[0]!;
      return [key, tensor(t.dtype, [count, ...t.dims.slice(1)], t.data.slice(0, count * each))];
    }),
  );
}

/** The same images for the model cut out. */
function small(arrays: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const image = arrays.get('image')!;
  const [count] = image.dims as [number];
  const data = new Float32Array(count * PIXELS.length);
  for (let s = 0; s < count; s++)
    PIXELS.forEach((p, j) => {
      data[s * PIXELS.length + j] = Number(image.data[s * SIDE * SIDE + p]);
    });
  return new Map([...arrays, ['image', tensor('float', [count, PIXELS.length], data)]]);
}

/** Makes the folder; `remove` it in the end. */
export function makeFolder(): { readonly dir: string; remove(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'kappa-docs-'));
  const write = (name: string, bytes: Uint8Array) => writeFileSync(join(dir, name), bytes);
  write('model.onnx', cutModel());
  const calibration = small(firstOf('mnist-calib.npz', 40));
  write('calib.npz', writeNpz(calibration));
  write('unlabelled.npz', writeNpz(new Map([['image', calibration.get('image')!]])));
  const evaluation = small(firstOf('mnist-eval.npz', 100));
  write('test.npz', writeNpz(evaluation));
  const inputs = small(firstOf('mnist-eval.npz', 3));
  write('in.npz', writeNpz(new Map([['image', inputs.get('image')!]])));

  // an image classifier and pictures in folders, one a class
  write('classifier.onnx', narrowModel('resnet18-fashion.onnx'));
  const images = firstOf('fashion-calib.npz', 24).get('image')!;
  for (let i = 0; i < 24; i++) {
    const folder = join(dir, 'photos', `class${i % 3}`);
    mkdirSync(folder, { recursive: true });
    const data = Uint8Array.from({ length: SIDE ** 2 }, (_, p) => 255 * Number(images.data[i * SIDE ** 2 + p]));
    writeFileSync(join(folder, `${i}.png`), encode({ width: SIDE, height: SIDE, data, channels: 1 }));
  }

  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(ROOT, join(dir, 'node_modules', 'kappa-onnx'), 'dir');

  // a case of ONNX's own suite: y = Relu(x)
  const set = join(dir, 'onnx-test-cases', 'test_relu', 'test_data_set_0');
  mkdirSync(set, { recursive: true });
  const graph = join8(
    len(1, node('Relu', ['x'], ['y'])),
    len(2, 'g'),
    len(11, valueInfo('x')),
    len(12, valueInfo('y')),
  );
  writeFileSync(join(set, '..', 'model.onnx'), join8(int(1, 8), len(2, 'test'), len(7, graph), opset(17)));
  writeFileSync(join(set, 'input_0.pb'), tensorProto('x', 1, [1, 2], raw(Float32Array.of(-1, 2))));
  writeFileSync(join(set, 'output_0.pb'), tensorProto('y', 1, [1, 2], raw(Float32Array.of(0, 2))));

  // the model of a demonstration, with little data
  mkdirSync(join(dir, 'models'));
  writeFileSync(join(dir, 'models', 'resnet18-fashion.onnx'), narrowModel('resnet18-fashion.onnx'));
  for (const [name, count] of [
    ['fashion-calib.npz', 10],
    ['fashion-eval.npz', 20],
  ] as const)
    writeFileSync(join(dir, 'models', name), writeNpz(firstOf(name, count)));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** The sources with a further file among them, for a block that is one: everything else in its folders are links. */
export function makeTree(dir: string, path: string, text: string): string {
  let there = join(dir, 'tree');
  let source = ROOT;
  mkdirSync(there, { recursive: true });
  const folders = path.split('/');
  const name = folders.pop()!;
  for (const folder of [...folders, '']) {
    for (const entry of readdirSync(source)) {
      if (entry === folder || ['.git', 'node_modules'].includes(entry)) continue;
      try {
        symlinkSync(join(source, entry), join(there, entry));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
    if (folder === '') break;
    [there, source] = [join(there, folder), join(source, folder)];
    mkdirSync(there, { recursive: true });
  }
  writeFileSync(join(there, name), text);
  return join(there, name);
}
