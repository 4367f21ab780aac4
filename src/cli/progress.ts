/**
 * Progress of long work, on a terminal only. Results go to stdout; this goes to stderr, and says nothing where stderr is a
 * file, a pipe or a terminal that cannot move its cursor.
 */
import cliProgress from 'cli-progress';
import { formatSeconds, printable } from '../report/text.ts';

export interface Progress {
  /** Begins a stage of `total` steps; one that is still running ends first. */
  start(label: string, total: number): void;
  /** Steps done so far, of the stage's total. Without a running stage: nothing. */
  update(done: number): void;
  /** Ends the stage and removes its bar. Safe to call at any time. */
  stop(): void;
}

export interface ProgressOptions {
  /** True: never show anything. */
  readonly quiet?: boolean;
  /** Default: process.stderr. */
  readonly stream?: NodeJS.WriteStream;
  /** Milliseconds that only go up; default: performance.now. */
  readonly now?: () => number;
}

const SILENT: Progress = { start() {}, update() {}, stop() {} };
const LABEL_WIDTH = 30;
const MINIMUM_WIDTH = 60;

/** A bar with a label, the share done and the time left, or silence. */
export function createProgress(options: ProgressOptions = {}): Progress {
  const stream = options.stream ?? process.stderr;
  if (options.quiet || !stream.isTTY || process.env.TERM === 'dumb' || (stream.columns ?? 80) < MINIMUM_WIDTH)
    return SILENT;
  return new Bar(stream, options.now ?? (() => performance.now()));
}

/** Estimated from the mean speed so far; '' while there is nothing to go by. */
export function timeLeft(elapsedMs: number, done: number, total: number): string {
  if (!(done > 0) || !(elapsedMs >= 500)) return '';
  const seconds = (elapsedMs / 1000) * ((total - done) / done);
  return seconds < 59.5 ? `${Math.max(0, Math.ceil(seconds))} s left` : `${formatSeconds(seconds)} left`;
}

class Bar implements Progress {
  #bar: cliProgress.SingleBar | undefined;
  #total = 0;
  #started = 0;

  constructor(
    readonly stream: NodeJS.WriteStream,
    readonly now: () => number,
  ) {}

  start(label: string, total: number): void {
    this.stop();
    if (!(total > 0) || !Number.isFinite(total)) return;
    this.#total = total;
    this.#started = this.now();
    this.#bar = new cliProgress.SingleBar({
      stream: this.stream,
      format: '{label} {bar} {percentage}%  {left}',
      barCompleteChar: '\u2588',
      barIncompleteChar: '\u2591',
      barsize: 24,
      clearOnComplete: true,
      hideCursor: null as unknown as boolean, // neither hidden nor shown: an interrupted run leaves it as it was
      gracefulExit: false, // signals belong to the command
      emptyOnZero: true,
    });
    const text = printable(label);
    this.#bar.start(total, 0, {
      label: (text.length > LABEL_WIDTH ? `${text.slice(0, LABEL_WIDTH - 1)}\u2026` : text).padEnd(LABEL_WIDTH),
      left: '',
    });
  }

  update(done: number): void {
    const capped = Math.min(Math.max(done, 0), this.#total);
    this.#bar?.update(capped, { left: timeLeft(this.now() - this.#started, capped, this.#total) });
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
