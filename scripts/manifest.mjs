// Writes models/SHA256SUMS: one line a file that is meant to be committed, as `sha256sum` prints them and
// `sha256sum -c` (run inside models/) checks them. With --check it writes nothing and fails where the two differ.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const models = join(dirname(dirname(fileURLToPath(import.meta.url))), 'models');
const manifest = join(models, 'SHA256SUMS');

/** Models and their data; the scripts and notes beside them are text that git keeps. */
const listed = (name) => /\.(onnx|npz|data)$/.test(name) && statSync(join(models, name)).isFile();

const text = readdirSync(models, { recursive: true })
  .filter(listed)
  .map((name) => name.split(sep).join('/'))
  .sort()
  .map(
    (name) =>
      `${createHash('sha256')
        .update(readFileSync(join(models, name)))
        .digest('hex')}  ${name}\n`,
  )
  .join('');

if (process.argv.includes('--check')) {
  const found = existsSync(manifest) ? readFileSync(manifest, 'utf8') : '';
  const lines = new Set(found.split('\n'));
  const wrong = text
    .split('\n')
    .filter((line) => line && !lines.has(line))
    .map((line) => line.slice(66));
  const extra = [...lines].map((line) => line.slice(66)).filter((name) => name && !text.includes(`  ${name}\n`));
  if (found !== text) {
    console.error(
      `models/SHA256SUMS differs from the files: ${[...wrong, ...extra].join(', ') || 'order'}; run node scripts/manifest.mjs`,
    );
    process.exitCode = 1;
  }
} else {
  writeFileSync(manifest, text);
}
