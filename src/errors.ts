/**
 * Every error Kappa throws on purpose. A wrong argument of the programming interface is a `TypeError` (wrong type) or a
 * `RangeError` (wrong value); everything that depends on what a user brought is a `KappaError`, whose message is one line
 * that names the thing, what was expected and what was found.
 */
export type ErrorCode = 'usage' | 'model' | 'data' | 'unsupported' | 'target' | 'interrupted';

/** Exit codes of the command line; 1 is left for bugs. */
export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  usage: 2,
  model: 3,
  data: 3,
  unsupported: 4,
  target: 5,
  interrupted: 130,
};

/** What all errors are that depend on what a user brought: one line, a code, and the exit code of the command. */
export class KappaError extends Error {
  /** Written out, since the names of classes are shortened in dist/. */
  static override readonly name: string = 'KappaError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
  get exitCode(): number {
    return EXIT_CODES[this.code];
  }
}

/** A flag, option or budget that cannot be met. */
export class UsageError extends KappaError {
  static override readonly name: string = 'UsageError';
  constructor(message: string, options?: ErrorOptions) {
    super('usage', message, options);
  }
}

/** Not an ONNX model, a damaged one, or one that contradicts itself. */
export class ModelError extends KappaError {
  static override readonly name: string = 'ModelError';
  constructor(message: string, options?: ErrorOptions) {
    super('model', message, options);
  }
}

/** Calibration or evaluation data that is missing, damaged, or does not fit the model. */
export class DataError extends KappaError {
  static override readonly name: string = 'DataError';
  constructor(message: string, options?: ErrorOptions) {
    super('data', message, options);
  }
}

/** An operator, type or attribute value that Kappa does not run. */
export class UnsupportedError extends KappaError {
  static override readonly name: string = 'UnsupportedError';
  constructor(message: string, options?: ErrorOptions) {
    super('unsupported', message, options);
  }
}

/** The kernels' memory is too small for what was asked for. */
export class MemoryError extends UnsupportedError {
  static override readonly name: string = 'MemoryError';
  constructor(
    message: string,
    /** Bytes that would have been enough to go on at that place. */
    readonly needed: number,
    /** Whether the limit was set, and is not what can be addressed: then nothing is done in another way instead. */
    readonly budget: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Everything ran, but a target that was asked for was missed. */
export class TargetError extends KappaError {
  static override readonly name: string = 'TargetError';
  constructor(message: string, options?: ErrorOptions) {
    super('target', message, options);
  }
}

/** Cancelled through an AbortSignal. */
export class InterruptedError extends KappaError {
  static override readonly name: string = 'InterruptedError';
  constructor(message = 'interrupted', options?: ErrorOptions) {
    super('interrupted', message, options);
  }
}
