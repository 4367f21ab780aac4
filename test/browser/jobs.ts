/** Whole jobs through a built door, the same in Node and in a page: what they write must be the same to the byte. */
import type { Wasm } from '../../src/wasm/wasm.ts';

type Door = typeof import('../../src/index.ts');

/** Gives a file of the checkout. */
export type Read = (path: string) => Promise<Uint8Array>;

/** A job: the bytes of the file it writes. */
type Job = (door: Door, wasm: Wasm, read: Read) => Promise<Uint8Array>;

async function quantized(
  door: Door,
  wasm: Wasm,
  read: Read,
  model: string,
  data: string | undefined,
  options: Parameters<Door['quantize']>[2],
): Promise<Uint8Array> {
  const calibration = data && door.datasetFromArrays(door.readNpz(await read(`models/${data}.npz`)));
  const given = calibration ? { ...options, calibration } : options;
  return (await door.quantize(wasm, await read(`models/${model}.onnx`), given)).bytes;
}

export const JOBS: Readonly<Record<string, Job>> = {
  'fully connected, rows of all widths': (door, wasm, read) =>
    quantized(door, wasm, read, 'mnist-mlp', 'mnist-calib', { bits: 3.1, samples: 48, widths: [2, 3, 4, 5] }),
  'fully connected, on drawn inputs, tuned': (door, wasm, read) =>
    quantized(door, wasm, read, 'mnist-mlp', undefined, { bits: 3.1, dataFree: true, samples: 24, seed: 3, tune: 4 }),
  'fully connected, the smallest file that keeps a drop': (door, wasm, read) =>
    quantized(door, wasm, read, 'mnist-mlp', 'mnist-calib', {
      maxDrop: { measure: 'kl', value: 0.02 },
      samples: 32,
      widths: [2, 3, 4],
    }),
  transformer: (door, wasm, read) =>
    quantized(door, wasm, read, 'transformer-text', 'text-calib', { bits: 5, samples: 2, widths: [4, 8] }),
  'residual network, without data': (door, wasm, read) =>
    quantized(door, wasm, read, 'resnet18-fashion', undefined, { bits: 4.1, widths: [2, 4, 6] }),
};

/** SHA-256 of bytes, in hexadecimal. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.slice()));
  return [...digest].map((b) => b.toString(16).padStart(2, '0')).join('');
}
