// onnxruntime-node ships the binaries of every platform (290 MB); only this platform's is ever loaded here. Removing the
// others keeps an installation under 500 MB. Runs after `npm ci` in a checkout, never for those who install the package.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(dirname(fileURLToPath(import.meta.url))), 'node_modules', 'onnxruntime-node', 'bin');
for (const abi of existsSync(root) ? readdirSync(root) : [])
  for (const platform of readdirSync(join(root, abi)))
    for (const arch of readdirSync(join(root, abi, platform)))
      if (platform !== process.platform || arch !== process.arch)
        rmSync(join(root, abi, platform, arch), { recursive: true, force: true });
