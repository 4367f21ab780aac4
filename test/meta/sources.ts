import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { ROOT } from '../helpers.ts';

/** Paths under `directory` (from the root, with '/') that end with `ending`, sorted; none where it does not exist. */
export function filesUnder(directory: string, ending: string): string[] {
  if (!existsSync(join(ROOT, directory))) return [];
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .map((name) => `${directory}/${name.split(sep).join('/')}`)
    .filter((name) => name.endsWith(ending) && !name.includes('/node_modules/'))
    .sort();
}

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/**
 * What belongs to the project: files that git tracks or would add, and that exist. Outside a checkout (an unpacked
 * archive) everything but what is installed or built.
 */
export function projectFiles(): string[] {
  let names: string[];
  try {
    const listing = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    names = listing.split('\0').filter(Boolean);
  } catch {
    names = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).map((name) => name.split(sep).join('/'));
    names = names.filter((name) => !/(^|\/)(node_modules|dist|build|\.git)(\/|$)/.test(name));
  }
  return [...new Set(names)].filter((name) => existsSync(join(ROOT, name))).sort();
}

export interface Import {
  readonly from: string;
  /** True where nothing of it is left at run time. */
  readonly type: boolean;
}

/** The module specifiers of a TypeScript source: import, export ... from, import(), and new URL(..., import.meta.url) not. */
export function importsOf(source: string): Import[] {
  const found: Import[] = [];
  // comments in this code base never begin a line with these words; strings never hold a whole statement
  const statement = /^\s*(?:import|export)\s+(type\s+)?((?:[\w$*\s{},]|\btype\b)*?)\s*\bfrom\s*['"]([^'"\n]+)['"]/gm;
  for (const [, type, names, from] of source.matchAll(statement)) {
    const inner = /^\{([^}]*)\}$/.exec(names!.trim())?.[1];
    const parts = inner
      ?.split(',')
      .map((part) => part.trim())
      .filter(Boolean);
    found.push({
      from: from!,
      type: Boolean(type) || (parts !== undefined && parts.length > 0 && parts.every((part) => /^type\s/.test(part))),
    });
  }
  for (const [, from] of source.matchAll(/^\s*import\s*['"]([^'"\n]+)['"]/gm)) found.push({ from: from!, type: false });
  for (const [, lead, from] of source.matchAll(/(.?)\bimport\s*\(\s*['"]([^'"\n]+)['"]\s*\)/g))
    found.push({ from: from!, type: lead === '<' });
  return found;
}
