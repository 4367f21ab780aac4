/** What people can do about what went wrong, and what the page may take. */
import type { Kind } from './protocol.ts';

const UNITS: Readonly<Record<string, number>> = { kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

/** Largest file that is taken unless told: what a page can hold beside its work. */
const FILE_BYTES = 1.5 * 2 ** 30;
const ADDRESSABLE = 2 ** 32;
const LEAST = 4e6;

/** The bound in the address: `?memory=512MB`. */
export interface Memory {
  /** Most bytes of a file. */
  readonly file: number;
  /** Most bytes of kernels, and of arrays once inflated. */
  readonly work: number;
  /** What is wrong with what the address says. */
  readonly problem: string | undefined;
}

export function memoryIn(search: string): Memory {
  const text = new URLSearchParams(search).get('memory');
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([kmg]i?b)$/i.exec(text ?? '') ?? [];
  const bytes = Number(number) * (UNITS[(unit ?? '').toLowerCase()] ?? Number.NaN);
  const usable = bytes >= LEAST && bytes <= ADDRESSABLE;
  const problem =
    text === null || usable ? undefined : `?memory=${text}: expected 4MB to 4GiB, as in ?memory=512MB; it is not used`;
  return usable ? { file: bytes, work: bytes, problem } : { file: FILE_BYTES, work: ADDRESSABLE, problem };
}

const MEMORY =
  'Use fewer samples, let the page take more (?memory=2GB at the end of its address), or use the kappa command, which reads large models piece by piece.';
const BROWSERS = 'Use a current browser: Chrome or Edge 91, Firefox 114, Safari 16.4, or later.';

const ADVICE: Readonly<Record<Kind, string>> = {
  model: 'Choose an ONNX file (.onnx); models of other frameworks are exported to ONNX first.',
  data: 'Bring one array for each input of the model, the first axis counting samples; or tick the box that draws inputs.',
  unsupported: 'Without data it can still be made smaller: widths then follow the weights alone.',
  usage: '',
  target: '',
  interrupted: '',
  cancelled: '',
  memory: MEMORY,
  browser: `${BROWSERS} If this is one, reload the page.`,
  lost: 'What was measured is lost: measure again, with fewer samples if it was long.',
  bug: 'This should not happen: reload the page and try again.',
};

export function adviceOn(kind: Kind): string {
  return ADVICE[kind];
}
