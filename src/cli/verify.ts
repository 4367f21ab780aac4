/** Running the written file in the stock runtimes that are installed, before it appears under its name. */
import { TargetError, UsageError } from '../errors.ts';
import {
  failureOf,
  type InstalledRuntime,
  installedRuntimes,
  type VerificationReport,
  type VerifyOptions,
  verifyByRunning,
  type Wasm,
} from '../node.ts';
import { printable } from '../report/text.ts';
import type { Context } from './context.ts';

/**
 * The runtimes to verify in: all that are installed, none under --no-verify.
 * @throws UsageError under --verify where none is installed
 */
export function runtimesToRun(verify: boolean | undefined, context: Context): readonly InstalledRuntime[] {
  if (verify === false) return [];
  const found = installedRuntimes();
  if (found.length > 0) return found;
  if (verify)
    throw new UsageError(
      '--verify: expected the package onnxruntime-web or onnxruntime-node, found neither from the current folder on; npm install onnxruntime-web',
    );
  context.detail('not verified by running: neither onnxruntime-web nor onnxruntime-node is installed');
  return [];
}

/**
 * Verifies, and says what is no error beside the report.
 * @throws TargetError where a runtime the file was written for does not run it, or makes something else of it
 */
export async function verify(context: Context, wasm: Wasm, options: VerifyOptions): Promise<VerificationReport> {
  const report = await verifyByRunning(wasm, { ...options, signal: context.signal, progress: context.progress });
  const failed = failureOf(report);
  if (failed)
    throw new TargetError(
      `${failed.runtime} ${failed.version}: ${printable(failed.reason ?? failed.status)}; nothing was written (--no-verify writes it all the same)`,
    );
  for (const { runtime, status, reason } of report.runtimes)
    if (status === 'skipped') context.note(`not verified in ${runtime}: ${reason}`);
  return report;
}
