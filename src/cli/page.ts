import { existsSync } from 'node:fs';
import type * as Pages from '../report/html/index.ts';

/** Words that a shell takes as they are. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/** The command as it was typed, quoted where a shell needs it. */
export function commandLine(argv: readonly string[] = process.argv.slice(2)): string {
  return ['kappa', ...argv].map((a) => (PLAIN.test(a) ? a : `'${a.replaceAll("'", "'\\''")}'`)).join(' ');
}

/** report.js beside the command in the package; run from a checkout's sources, the module there. Loaded when a page is asked for. */
export async function pages(): Promise<typeof Pages> {
  const place = ['./report.js', '../report/html/index.ts']
    .map((path) => new URL(path, import.meta.url))
    .find((url) => existsSync(url));
  if (place === undefined) throw new Error('report.js is missing beside the command: run `npm run build`');
  return (await import(place.href)) as typeof Pages;
}
