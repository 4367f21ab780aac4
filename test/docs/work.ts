/** Runs the code blocks of a document. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CLI } from '../e2e/command.ts';
import { ROOT } from '../helpers.ts';
import { read } from '../meta/sources.ts';
import { type Block, blocksOf, commandOf } from './blocks.ts';
import { makeTree } from './place.ts';

const TSX = pathToFileURL(join(ROOT, 'node_modules', 'tsx', 'dist', 'loader.mjs')).href;
/** Flags of files that a command makes. */
const MADE = ['-o', '--output', '--report', '--cache', '--save-plan'];

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], cwd: string): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1' };
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const out = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        out[name] += text;
      });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...out }));
  });
}

/** @returns what is wrong with a line of a shell; undefined where nothing is */
async function shellLine(line: string, dir: string): Promise<string | undefined> {
  if (line.startsWith('npm ')) return npmLine(line);
  const { words, to } = commandOf(line);
  if (words[0] === 'node') {
    const file = words.find((word) => /\.(m?js|ts)$/.test(word));
    return file !== undefined && existsSync(join(ROOT, file)) ? undefined : `${file}: no such file`;
  }
  if (words[0] !== 'kappa') return 'expected a line that begins with kappa, npm or node';
  const args = words.slice(1);
  const [command] = args;
  // stock runtimes have tests of their own; the demonstrations' data is cut short
  if (command === 'quantize' && !args.some((a) => a.endsWith('verify'))) args.push('--no-verify');
  if (command === 'demo' && !args.includes('--models')) args.push('--models', 'models');
  const { code, stdout, stderr } = await run([CLI, ...args], dir);
  if (code !== 0) return `exit code ${code}: ${stderr.trim()}`;
  if (to !== undefined) writeFileSync(join(dir, to), stdout);
  if (stdout.trim() === '') return 'printed nothing';
  if (args.includes('--json')) JSON.parse(stdout);
  const made = args.filter((_, i) => MADE.includes(args[i - 1]!));
  const missing = made.filter((name) => !existsSync(join(dir, name)));
  return missing.length > 0 ? `${missing.join(', ')}: not written` : undefined;
}

function npmLine(line: string): string | undefined {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const part of line.replace(/#.*/, '').split('&&')) {
    const [, verb, name] = part.trim().split(/\s+/);
    const script = verb === 'run' ? name : verb === 'start' || verb === 'test' ? verb : undefined;
    if (verb === 'ci' || (script !== undefined && Object.hasOwn(scripts, script))) continue;
    return `'${part.trim()}': no such script`;
  }
  return undefined;
}

/** Runs modules one after another in a process of their own, and says of each that failed why. */
const RUNNER = `
const failed = {};
for (const file of process.argv.slice(1))
  await import(file).catch((error) => { failed[file] = String(error?.stack ?? error); });
process.stdout.write('\\nfailed: ' + JSON.stringify(failed) + '\\n');
`;

interface Module {
  readonly file: string;
  readonly block: Block;
  readonly dir: string;
}

/** A block as a file: in the folder, or among the sources where its first line says which of them it is. */
function moduleOf(block: Block, dir: string): Module {
  const { text, kind, line } = block;
  const path = /^\/\/ ((?:src|test)\/\S+\.ts)\n/.exec(text)?.[1];
  if (path) return { file: makeTree(dir, path, text), block, dir };
  const file = join(dir, `block-${line}.${kind === 'ts' ? 'mts' : 'mjs'}`);
  writeFileSync(file, text);
  return { file, block, dir };
}

/** @returns what is wrong with modules, and the lines they begin at */
async function runModules(modules: readonly Module[]): Promise<[line: number, what: string][]> {
  if (modules.length === 0) return [];
  const { dir } = modules[0]!;
  const typed = modules.some(({ block }) => block.kind === 'ts') ? ['--import', TSX] : [];
  const files = modules.map(({ file }) => pathToFileURL(file).href);
  const args = [...typed, '--input-type=module', '--eval', RUNNER, ...files];
  const { code, stdout, stderr } = await run(args, dir);
  if (code !== 0) return [[modules[0]!.block.line, `exit code ${code}: ${stderr.trim().slice(-2000)}`]];
  const failed = JSON.parse(/^failed: (.*)$/m.exec(stdout)![1]!) as Record<string, string>;
  return modules.flatMap(({ block: { text, line } }, i): [number, string][] => {
    const reason = failed[files[i]!];
    if (reason !== undefined) return [[line, reason]];
    const written = [...text.matchAll(/writeFile\('([^']+)'/g)].map(([, name]) => name!);
    const missing = written.filter((name) => !existsSync(join(dir, name)));
    return missing.length > 0 ? [[line, `${missing.join(', ')}: not written`]] : [];
  });
}

/** What a page refers to is there: files of the project, and names of the package. */
async function page(text: string, document: string): Promise<string | undefined> {
  const places = [dirname(join(ROOT, document)), ROOT];
  for (const [, address] of text.matchAll(/(?:src|href)="(?!https?:|data:|#)([^"]+)"/g))
    if (!places.some((place) => existsSync(join(place, address!)))) return `${address}: no such file`;
  for (const [, names, from] of text.matchAll(/import \{([^}]*)\} from '([^']+)'/g)) {
    const target = from === 'kappa-onnx' ? join(ROOT, 'dist', 'browser.js') : undefined;
    if (target === undefined) continue;
    const door = (await import(pathToFileURL(target).href)) as Record<string, unknown>;
    const wrong = names!.split(',').map((n) => n.trim()).filter((n) => n !== '' && !(n in door)); // biome-ignore format: short
    if (wrong.length > 0) return `${wrong.join(', ')}: not among the exports`;
  }
  return undefined;
}

/**
 * Runs the blocks of a document in a folder that has what they speak of: the commands, in order, then the modules.
 * @param pictures whether what is indented is no code
 * @returns how many there are, and what is wrong, one line each
 */
export async function work(
  document: string,
  markdown: string,
  dir: string,
  pictures = false,
): Promise<{ blocks: number; wrong: string[] }> {
  const wrong: string[] = [];
  const note = (line: number, what: string | undefined) => {
    if (what !== undefined) wrong.push(`${document}:${line}: ${what}`);
  };
  const blocks = blocksOf(markdown);
  const modules: Module[] = [];
  let count = 0;
  for (const block of blocks) {
    const { kind, text, line } = block;
    if (kind === 'indented' && pictures) continue;
    count++;
    try {
      if (['js', 'ts'].includes(kind)) modules.push(moduleOf(block, dir));
      else if (kind === 'json') JSON.parse(text);
      else if (kind === 'html') note(line, await page(text, document));
      else if (['indented', 'sh', 'none'].includes(kind)) {
        for (const [i, own] of text.split('\n').entries())
          if (own.trim() !== '' && !own.startsWith('#')) note(line + i, await shellLine(own, dir));
      } else note(line, `a block of '${kind}': expected js, ts, json, html or sh`);
    } catch (error) {
      note(line, String(error));
    }
  }
  for (const [line, what] of await runModules(modules)) note(line, what);
  return { blocks: count, wrong };
}
