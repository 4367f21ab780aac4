// Writes the operator table of FEATURES.md from the operator table of the executor: `node --import tsx scripts/features.ts`.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OPERATORS, OPSETS } from '../src/ops/index.ts';
import { CONFORMANCE, type Conformance } from './conformance.ts';

const START = '<!-- operators: written by scripts/features.ts -->';
const END = '<!-- end of operators -->';

/**
 * FEATURES.md with its operator tables brought up to date: what the executor has, and how many of the specification's node
 * cases about each operator pass.
 * @throws Error where the markers are missing
 */
export function withOperators(text: string): string {
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`FEATURES.md: expected the markers '${START}' and '${END}'`);
  const found = JSON.parse(readFileSync(CONFORMANCE, 'utf8')) as Conformance;
  const tables = [...OPERATORS].map(([domain, table]) => {
    const names = [...table.keys()].sort().map((name) => {
      const cases = found.operators[domain === '' ? name : `${domain}.${name}`];
      return cases ? `\`${name}\` ${cases[0]}/${cases[1]}` : `\`${name}\``;
    });
    const opsets = domain === '' ? `, opsets ${OPSETS.oldest} to ${OPSETS.newest}` : '';
    return `${names.length} operators of ${domain || 'ai.onnx'}${opsets}: ${names.join(', ')}.`;
  });
  const outside = Object.keys(found.outOfScope).length;
  const open = Object.entries(found.open).map(([name, reason]) => `- ${name}: ${reason}`);
  const summary = `Of ${found.cases} node cases of ONNX 1.22, ${outside} are about what Kappa leaves out (${[...new Set(Object.values(found.outOfScope))].sort().join(', ')}); of the other ${found.cases - outside}, ${found.passed.length} pass${open.length > 0 ? `, and ${open.length} do not:` : '.'}`;
  const body = [...tables, 'After a name: cases about it that pass, of those there are.', summary];
  if (open.length > 0) body.push(open.join('\n'));
  return `${text.slice(0, start)}${START}\n\n${body.join('\n\n')}\n\n${text.slice(end)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(dirname(dirname(fileURLToPath(import.meta.url))), 'FEATURES.md');
  writeFileSync(path, withOperators(readFileSync(path, 'utf8')));
}
