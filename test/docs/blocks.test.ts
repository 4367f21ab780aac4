/** Every code block of the documentation runs as it stands, on small data. Documents run beside each other. */
import { existsSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CLI } from '../e2e/command.ts';
import { projectFiles, read } from '../meta/sources.ts';
import { blocksOf, commandOf } from './blocks.ts';
import { makeFolder } from './place.ts';
import { work } from './work.ts';

const test = suite<{ remove: (() => void)[] }>('docs/blocks');

/** Pages that are not made by a program. */
const DOCUMENTS = projectFiles().filter((name) =>
  /^(README\.md|docs\/[^/]+\.md|examples\/.*README\.md|models\/README\.md)$/.test(name),
);
/** Of these only what is fenced is code: what is indented is a picture or a formula. */
const PICTURES = ['docs/architecture.md', 'docs/theory.md'];
/** Documents at work at once. */
const JOBS = 3;

test.before((context) => {
  context.remove = [];
  if (!existsSync(CLI)) throw new Error('dist/cli.js is missing: run `npm run build` first');
});
test.after((context) => {
  for (const remove of context.remove) remove();
});

test('blocks are found, and commands are taken apart', () => {
  const text = 'a\n\n    kappa x\n    npm test\n\nb\n\n```js\n    let a;\n```\n- item\n\n    of it\n\n~~~\nz\n~~~\n';
  assert.equal(blocksOf(text), [
    { kind: 'indented', text: 'kappa x\nnpm test', line: 3 },
    { kind: 'js', text: '    let a;', line: 9 },
    { kind: 'none', text: 'z', line: 16 },
  ]);
  const { words, to } = commandOf(`kappa x --pin 'a b*=8' "c d" --json > out.json   # note 'it`);
  assert.equal(words, ['kappa', 'x', '--pin', 'a b*=8', 'c d', '--json']);
  assert.is(to, 'out.json');
});

test('what does not run is told', async (context) => {
  const { dir, remove } = makeFolder();
  context.remove.push(remove);
  const text = `# Wrong

    kappa quantize model.onnx --bites 4
    kappa inspect missing.onnx
    npm run nothing && npm test
    node scripts/nothing.ts
    rm -rf x

\`\`\`js
import { nothing } from 'kappa-onnx';
\`\`\`

\`\`\`js
import { VERSION } from 'kappa-onnx';
if (VERSION !== '') throw new Error('thrown ' + "writeFile('never', '')");
\`\`\`

\`\`\`js
console.log("writeFile('never', '')");
\`\`\`

\`\`\`json
{ 1 }
\`\`\`

\`\`\`html
<script src="nothing.js"></script>
\`\`\`

\`\`\`rust
\`\`\`

    kappa inspect model.onnx   # right
`;
  const { blocks, wrong } = await work('WRONG.md', text, dir);
  assert.is(blocks, 8);
  const expected: [number, RegExp][] = [
    [3, /exit code 2: .*--bites/],
    [4, /exit code 3: .*missing/],
    [5, /'npm run nothing'/],
    [6, /nothing\.ts: no such file/],
    [7, /begins with kappa/],
    [23, /JSON/],
    [27, /nothing\.js/],
    [31, /rust/],
    [10, /nothing/],
    [14, /thrown/],
    [19, /never: not written/],
  ];
  assert.is(wrong.length, expected.length, wrong.join('\n'));
  for (const [i, [line, what]] of expected.entries()) {
    assert.ok(wrong[i]!.startsWith(`WRONG.md:${line}: `), `${line}: ${wrong[i]}`);
    assert.match(wrong[i]!, what);
  }
});

test('every block runs', async (context) => {
  assert.ok(DOCUMENTS.includes('README.md') && DOCUMENTS.includes('docs/api.md'));
  const left = [...DOCUMENTS];
  const found: { blocks: number; wrong: string[] }[] = [];
  const worker = async () => {
    for (let document = left.shift(); document !== undefined; document = left.shift()) {
      const { dir, remove } = makeFolder();
      context.remove.push(remove);
      found.push(await work(document, read(document), dir, PICTURES.includes(document)));
    }
  };
  await Promise.all(Array.from({ length: JOBS }, worker));
  assert.equal(
    found.flatMap(({ wrong }) => wrong),
    [],
  );
  assert.ok(found.reduce((n, { blocks }) => n + blocks, 0) > 30);
});

test.run();
