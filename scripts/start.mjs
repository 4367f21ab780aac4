// `npm start`: the main job on the embedded MNIST model, then the demonstration table. Arguments go on to the table's command.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let child;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child?.kill(signal));

/** Runs the command in the checkout and shows it; @returns its exit code */
function kappa(...args) {
  console.log(`$ kappa ${args.join(' ')}\n`);
  return new Promise((resolve) => {
    child = spawn(process.execPath, [join(root, 'dist', 'cli.js'), ...args], { cwd: root, stdio: 'inherit' });
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

mkdirSync(join(root, 'build'), { recursive: true });
const data = ['--calib', 'models/mnist-calib.npz', '--eval', 'models/mnist-eval.npz'];
const job = ['quantize', 'models/mnist-mlp.onnx', '--bits', '4.1', ...data, '-o', 'build/mnist-mlp-4b.onnx', '--force'];
process.exitCode = await kappa(...job);
if (process.exitCode === 0) {
  console.log('');
  process.exitCode = await kappa('demo', 'mnist', ...process.argv.slice(2));
}
