/** What every command works with: where results and notes go, progress, cancellation, the kernels. */
import { availableParallelism } from 'node:os';
import { InterruptedError } from '../errors.ts';
import { fastestBuild, loadKernels, type Progress, type Wasm } from '../node.ts';
import type { ReportOptions } from '../report/style.ts';
import { formatSeconds, printable } from '../report/text.ts';
import { createProgress } from './progress.ts';
import type { KernelFlags } from './flags.ts';
import { styleFor } from './style.ts';

/** Threads used unless told: more gain little on one model. */
const THREADS = 8;

/** What kernels can address, in bytes. */
const ADDRESSABLE = 2 ** 32;

/** Flags of every command. */
export interface CommonFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color?: boolean;
}

export class Context {
  readonly report: ReportOptions;
  private readonly abort = new AbortController();
  private readonly bar;
  private stage: { name: string; start: number } | undefined;

  private loaded: Wasm | undefined;

  constructor(readonly flags: CommonFlags & KernelFlags) {
    this.report = { style: styleFor(process.stdout, flags.color !== false), all: flags.verbose ?? false };
    this.bar = createProgress({ quiet: flags.quiet ?? false });
    process.on('SIGINT', this.onInterrupt);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** @throws InterruptedError once Ctrl-C was pressed */
  check(): void {
    this.signal.throwIfAborted();
  }

  /** Shows how far the work is, and ends it once Ctrl-C was pressed. */
  readonly progress: Progress = (stage, done, total) => {
    this.check();
    if (this.stage?.name !== stage) {
      this.endStage();
      this.stage = { name: stage, start: performance.now() };
      this.bar.start(stage, total);
    }
    this.bar.update(done);
  };

  /** Something worth knowing beside the result: to stderr, unless --quiet. */
  note(text: string): void {
    if (this.flags.quiet) return;
    this.bar.stop();
    process.stderr.write(`${printable(text)}\n`);
  }

  /** Something for those who ask for it: to stderr under --verbose. */
  detail(text: string): void {
    if (this.flags.verbose && !this.flags.quiet) this.note(text);
  }

  /** The result: one JSON document under --json, else the text. */
  async result(report: unknown, text: () => string): Promise<void> {
    this.endStage();
    this.check();
    const out = this.flags.json ? JSON.stringify(report, null, 2) : text();
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(`${out}\n`, (error) => {
        // whoever read it has had enough
        if (error && (error as NodeJS.ErrnoException).code !== 'EPIPE') reject(error);
        else resolve();
      });
    });
  }

  /** The kernels as the flags say. @throws UnsupportedError for a build that this Node does not run */
  async kernels(): Promise<Wasm> {
    const { build = 'plain', threads, maxMemory } = this.flags;
    const wasm = await loadKernels({
      build: build === 'auto' ? fastestBuild() : build,
      threads: threads ?? Math.min(availableParallelism(), THREADS),
      maxBytes: Math.min(maxMemory ?? ADDRESSABLE, ADDRESSABLE),
    });
    if (threads !== undefined && wasm.threads < threads)
      this.note(`--threads ${threads}: ${wasm.threads} could be had`);
    this.detail(`kernels: ${wasm.build}, ${wasm.threads === 1 ? '1 thread' : `${wasm.threads} threads`}`);
    this.loaded = wasm;
    return wasm;
  }

  /** Ends what is shown and listened to; the context is of no use afterwards. */
  close(): void {
    this.endStage();
    this.loaded?.dispose();
    process.off('SIGINT', this.onInterrupt);
  }

  private endStage(): void {
    this.bar.stop();
    if (!this.stage) return;
    const { name, start } = this.stage;
    this.stage = undefined;
    this.detail(`${name}: ${formatSeconds((performance.now() - start) / 1000)}`);
  }

  /** The first ends the work at its next step, the second ends the process; either way nothing half written is left. */
  private readonly onInterrupt = (): void => {
    if (this.signal.aborted) process.exit(130);
    this.abort.abort(new InterruptedError());
    if (process.stderr.isTTY) this.note('ending; Ctrl-C once more ends at once');
  };
}

/** Runs a command's body with a context of its own. */
export async function withContext(
  flags: CommonFlags & KernelFlags,
  body: (context: Context) => Promise<void>,
): Promise<void> {
  const context = new Context(flags);
  try {
    await body(context);
  } finally {
    context.close();
  }
}
