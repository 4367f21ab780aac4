// Writes the figures of the last whole run of `npm run bench` into the README: `node --import tsx bench/speed/readme.ts`.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withSection } from '../section.ts';
import { type BenchReport, type BenchRow, BUILDS, type Build, reached } from '../../src/report/bench.ts';

export const START = '<!-- speed: written by bench/speed/readme.ts -->';
export const END = '<!-- end of speed -->';

/** A Markdown table of the rows that have a goal: ratios by build, those below their goal marked with an asterisk. */
export function speedTable({ cases, settings, versions }: BenchReport): string {
  const wanted = cases.filter((row) => row.goal !== null);
  const keys = [...new Set(wanted.map((row) => `${row.name}\n${row.peer}`))];
  const cell = (row: BenchRow | undefined): string => {
    if (!row) return '-';
    if (row.ratio === null) return `not measured (${row.goal})`;
    return `${row.ratio.toFixed(2)}${reached(row, 0) ? '' : '*'} (${row.goal})`;
  };
  const lines = keys.map((key) => {
    const [name, peer] = key.split('\n');
    const of = (build: Build) => wanted.find((row) => row.name === name && row.peer === peer && row.build === build);
    return `| ${name} | ${peer} | ${BUILDS.map((build) => cell(of(build))).join(' | ')} |`;
  });
  const node = BUILDS.map((build) => `${build}: Node ${settings.node[build] ?? '-'}`).join(', ');
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `| work | against | ${BUILDS.map((build) => `${build} (goal)`).join(' | ')} |`,
    `|---|---|${BUILDS.map(() => '---|').join('')}`,
    ...lines,
    '',
    `\\* below its goal. ${node}; ${peers.join(', ')}.`,
  ].join('\n');
}

/** The README with the table between its markers. @throws Error where the markers are missing */
export function withSpeed(text: string, report: BenchReport): string {
  return withSection(text, START, END, speedTable(report));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const path = join(root, 'README.md');
  const report = JSON.parse(readFileSync(join(root, 'bench', 'results', 'kernels.json'), 'utf8')) as BenchReport;
  writeFileSync(path, withSpeed(readFileSync(path, 'utf8'), report));
}
