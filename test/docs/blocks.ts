/** Code blocks of a Markdown text, and the words of a command line. */

export interface Block {
  /** The language after the fence; 'indented' for a block without one. */
  readonly kind: string;
  readonly text: string;
  /** Line of its first line, from 1. */
  readonly line: number;
}

/** Fenced blocks and indented ones, in order. HTML comments and what is inside of other blocks are no blocks. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const fence = /^(`{3,}|~{3,})\s*(\S*)/.exec(lines[i]!);
    if (fence) {
      const end = lines.findIndex((l, at) => at > i && l.startsWith(fence[1]!));
      if (end < 0) throw new Error(`line ${i + 1}: a block that does not end`);
      blocks.push({ kind: fence[2] || 'none', text: lines.slice(i + 1, end).join('\n'), line: i + 2 });
      i = end;
      continue;
    }
    const before = lines[i - 1] ?? '';
    if (!/^ {4}\S/.test(lines[i]!) || before.trim() !== '' || inList(lines, i)) continue;
    let end = i;
    while (end < lines.length && /^( {4}|\s*$)/.test(lines[end]!)) end++;
    const text = lines
      .slice(i, end)
      .map((l) => l.slice(4))
      .join('\n')
      .trimEnd();
    blocks.push({ kind: 'indented', text, line: i + 1 });
    i = end - 1;
  }
  return blocks;
}

/** Whether an indented line goes on with an item of a list. */
function inList(lines: readonly string[], at: number): boolean {
  for (let i = at - 1; i >= 0; i--) {
    if (lines[i]!.trim() === '') continue;
    return /^\s*([-*]|\d+\.) /.test(lines[i]!);
  }
  return false;
}

export interface CommandLine {
  readonly words: readonly string[];
  /** File that standard output goes to. */
  readonly to: string | undefined;
}

/** The words of one command as a shell takes them: quotes, a comment at the end, `> file`. */
export function commandOf(line: string): CommandLine {
  const words: string[] = [];
  const pattern = /\s*(?:'([^']*)'|"([^"]*)"|(#.*)|([^\s'"]+))/gy;
  for (let found = pattern.exec(line); found; found = pattern.exec(line)) {
    if (found[3] !== undefined) break;
    words.push(found[1] ?? found[2] ?? found[4]!);
  }
  const at = words.indexOf('>');
  return { words: at < 0 ? words : words.slice(0, at), to: at < 0 ? undefined : words[at + 1] };
}
