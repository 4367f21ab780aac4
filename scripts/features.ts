// Writes the operator table of FEATURES.md from the operator table of the executor: `node --import tsx scripts/features.ts`.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OPERATORS, OPSETS } from '../src/ops/index.ts';

const START = '<!-- operators: written by scripts/features.ts -->';
const END = '<!-- end of operators -->';

/** FEATURES.md with its operator table brought up to date. @throws Error where the markers are missing */
export function withOperators(text: string): string {
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`FEATURES.md: expected the markers '${START}' and '${END}'`);
  const tables = [...OPERATORS].map(([domain, table]) => {
    const names = [...table.keys()].sort().map((name) => `\`${name}\``);
    return `${names.length} operators of ${domain || 'ai.onnx'}, opsets ${OPSETS.oldest} to ${OPSETS.newest}: ${names.join(', ')}.`;
  });
  return `${text.slice(0, start)}${START}\n\n${tables.join('\n\n')}\n\n${text.slice(end)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(dirname(dirname(fileURLToPath(import.meta.url))), 'FEATURES.md');
  writeFileSync(path, withOperators(readFileSync(path, 'utf8')));
}
