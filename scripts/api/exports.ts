// What a door of the package exports, where each thing is declared, and the doc comment that stands before it: read from the
// sources as they are written and formatted here, without a compiler.
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';

export interface Exported {
  /** Name it has at the door. */
  readonly name: string;
  /** Name where it is declared. */
  readonly declared: string;
  /** File that declares it, from the root. */
  readonly file: string;
  /** Nothing of it is left at run time. */
  readonly type: boolean;
  /** Text of its doc comment, without stars and tags such as @throws; undefined where there is none. */
  readonly doc: string | undefined;
}

/** Reads a file by its path from the root. */
export type Read = (file: string) => string;

const readFrom =
  (root: string): Read =>
  (file) =>
    readFileSync(posix.join(root, file), 'utf8');

interface Found {
  readonly declared: string;
  readonly file: string;
  readonly type: boolean;
}

const STATEMENT = /^export (type )?(?:\{([^}]*)\}|(\*)) from '([^']+)';/gm;
const DECLARATION =
  /^export (?:declare )?(?:abstract )?((?:async )?function\*?|class|interface|const|let|type|enum) ([\w$]+)/gm;

/**
 * The exports of a file, followed through every file it exports from, in the order they are written.
 * @throws Error for a name that no file declares
 */
export function exportsOf(root: string, file: string, read: Read = readFrom(root)): Exported[] {
  return [...namesIn(file, read)]
    .map(([name, found]) => ({ name, ...found, doc: docOf(read(found.file), found) }))
    .filter((e, i, all) => all.findIndex((other) => other.name === e.name) === i);
}

function namesIn(file: string, read: Read): Map<string, Found> {
  const source = read(file);
  const names = new Map<string, Found>();
  for (const [, whole, list, , from] of source.matchAll(STATEMENT)) {
    const target = posix.normalize(posix.join(posix.dirname(file), from!));
    const there = namesIn(target, read);
    const add = (name: string, found: Found, type: boolean) => {
      if (!names.has(name)) names.set(name, { ...found, type: type || found.type });
    };
    if (list === undefined) for (const [name, found] of there) add(name, found, whole !== undefined);
    for (const part of (list ?? '').split(',')) {
      const [, type, own, , name] = /^\s*(type\s+)?([\w$]+)(\s+as\s+([\w$]+))?\s*$/.exec(part) ?? [];
      if (own === undefined) continue;
      const found = there.get(own) ?? imported(target, own, read);
      if (!found) throw new Error(`${file}: '${own}' is not declared in ${target}`);
      add(name ?? own, found, Boolean(whole ?? type));
    }
  }
  for (const [, kind, name] of source.matchAll(DECLARATION))
    names.set(name!, { declared: name!, file, type: kind === 'type' || kind === 'interface' });
  return names;
}

/** A name that a file imports and lists in an `export { ... }` of its own. */
function imported(file: string, name: string, read: Read): Found | undefined {
  for (const [, list, from] of read(file).matchAll(/^import (?:type )?\{([^}]*)\} from '([^']+)';/gm))
    if (list!.split(',').some((part) => part.replace(/^\s*type\s+/, '').trim() === name))
      return namesIn(posix.normalize(posix.join(posix.dirname(file), from!)), read).get(name);
  return undefined;
}

/** The comment right before a declaration. */
function docOf(source: string, { declared }: Found): string | undefined {
  const at = [...source.matchAll(DECLARATION)].find(([, , name]) => name === declared)?.index;
  if (at === undefined) return undefined;
  const before = source.slice(0, at);
  const end = /\*\/\n$/.test(before);
  if (!end) return undefined;
  const comment = before.slice(before.lastIndexOf('/**'));
  if (!comment.startsWith('/**') || comment.indexOf('*/') !== comment.length - 3) return undefined;
  const text = comment
    .slice(3, -3)
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, ''))
    .join('\n');
  return text.split(/(?:^|\s)@(?:throws|param|returns|template|example|see)\b/)[0]!.trim();
}
