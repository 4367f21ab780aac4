import { Command, Option } from 'commander';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMAND_LINE, FILES_RUN, FORMATS_PAGE, withFigures, withFlags } from '../../scripts/docs.ts';
import { makeProgram } from '../../src/cli/program.ts';
import { EXIT_CODES } from '../../src/errors.ts';
import { read } from '../meta/sources.ts';
import { throws } from '../throws.ts';

const test = suite('docs/command-line');
const page = read(COMMAND_LINE);

test('the flags are those of the program', () => {
  assert.is(page, withFlags(page), 'run `npm run docs`');
  for (const command of makeProgram().commands)
    for (const { long, short } of command.options)
      assert.ok(page.includes(`${long ?? short}`), `${command.name()} ${long}`);
});

test('every command has a section, and every exit code a line', () => {
  for (const command of makeProgram().commands) assert.match(page, new RegExp(`^## ${command.name()}$`, 'm'));
  for (const code of [0, 1, ...Object.values(EXIT_CODES)]) assert.match(page, new RegExp(`^\\| ${code} \\|`, 'm'));
});

test('markers that are missing, or of no command, are refused', () => {
  throws(() => withFlags('# nothing'), /expected the markers/);
  const markers = (name: string) => `<!-- ${name}: written by scripts/docs.ts -->\n<!-- end of ${name} -->\n`;
  const text = `${markers('shared flags')}${markers('one')}`;
  throws(() => withFlags(`${text}${markers('two')}`, new Command().addCommand(new Command('one'))), /'two'/);
});

test('a table says what the option says: names, defaults, what must be given', () => {
  const program = new Command();
  for (const name of ['a', 'b', 'c'])
    program
      .command(name)
      .option('--same <x|y>', 'on all | of them')
      .addOption(new Option('--group', 'of a kind').helpGroup('Things (of a kind):'))
      .requiredOption(`--own-${name} <n>`, 'its own', '7');
  const names = ['shared flags', 'things flags', 'a', 'b', 'c'];
  const made = withFlags(
    names.map((n) => `<!-- ${n}: written by scripts/docs.ts -->\n<!-- end of ${n} -->\n`).join(''),
    program,
  );
  assert.ok(made.includes('| `--same <x\\|y>` | on all \\| of them | all |'), made);
  assert.ok(made.includes('| `--own-b <n>` | its own; must be given (default: 7) |'), made);
  assert.ok(made.includes('Shared flags: `--same`, those of [things](#things).'), made);
  assert.is(withFlags(made, program), made);
});

test('the figures of formats are those of the last run', () => {
  const text = read(FORMATS_PAGE);
  assert.is(text, withFigures(text, JSON.parse(read(FILES_RUN))), 'run `npm run docs`');
  const runtimes = [{ runtime: 'onnxruntime-web', load: 2, speed: { '1': 3 } }];
  const files = [0.01, 0.03].map((overhead) => ({ setting: 'any, 4.1 bits', overhead, runtimes }));
  const made = withFigures(text, { files });
  assert.ok(
    made.includes('| `dense` | 2 | 2.00 % (1.00 to 3.00) | 2.00 (2.00 to 2.00) | 3.00 (3.00 to 3.00) | - | - |'),
  );
  throws(() => withFigures('', { files }), /expected the markers/);
});

test.run();
