import { existsSync } from 'node:fs';
import { type Planned, writeAll } from './outputs.ts';

/** Words that a shell takes as they are. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/** The command as it was typed, quoted where a shell needs it. */
export function commandLine(argv: readonly string[] = process.argv.slice(2)): string {
  return ['kappa', ...argv].map((a) => (PLAIN.test(a) ? a : `'${a.replaceAll("'", "'\\''")}'`)).join(' ');
}

export type Pages = typeof import('../report/html/index.ts');

/** The page that --report asks for. */
export function pageOutput({
  report,
  force = false,
}: {
  readonly report?: string;
  readonly force?: boolean;
}): Planned[] {
  return report === undefined ? [] : [{ flag: '--report', path: report, force }];
}

/** Writes the page where one was asked for: the plots are loaded only then. */
export async function writePage(planned: readonly Planned[], make: (pages: Pages) => string): Promise<void> {
  if (planned.length === 0) return;
  const data = make(await pages());
  await writeAll(planned.map((p) => ({ ...p, data })));
}

/** report.js beside the command in the package; run from a checkout's sources, the module there. */
async function pages(): Promise<Pages> {
  const place = ['./report.js', '../report/html/index.ts']
    .map((path) => new URL(path, import.meta.url))
    .find((url) => existsSync(url));
  if (place === undefined) throw new Error('report.js is missing beside the command: run `npm run build`');
  return (await import(place.href)) as Pages;
}
