/** Finding what Kappa is measured against: packages in bench/ of a checkout, or where the command is run. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Something a row needs is not installed: the row is left out, not failed. */
export class Absent extends Error {}

/** The checkout's root, from the sources or from dist/; undefined in an installed package. */
export const ROOT: string | undefined = ['../../..', '..']
  .map((up) => fileURLToPath(new URL(up, import.meta.url)))
  .find((folder) => existsSync(join(folder, 'bench', 'goals.json')));

/** Folders whose node_modules are searched, in order. */
const FOLDERS: readonly string[] = [...(ROOT === undefined ? [] : [join(ROOT, 'bench')]), process.cwd()];

/** The folder whose node_modules hold the package. @throws Absent */
function folderOf(name: string): string {
  const found = FOLDERS.find((folder) => existsSync(join(folder, 'node_modules', name, 'package.json')));
  if (found === undefined) throw new Absent(`package ${name} is not installed`);
  return found;
}

/** Path of a file of an installed package. @throws Absent */
export const packageFile = (name: string, file: string): string => join(folderOf(name), 'node_modules', name, file);

/**
 * An installed package.
 * @param own a package it depends on that it is not to share with what was loaded before
 * @throws Absent where there is none
 */
export function load<T>(name: string, own?: string): T {
  const require = createRequire(join(folderOf(name), 'bench.js'));
  if (own !== undefined)
    for (const file of Object.keys(require.cache))
      if (file.includes(join('node_modules', own, sep))) delete require.cache[file];
  return require(name) as T;
}

/** An installed package's version; undefined where there is none. */
export function versionOf(name: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(packageFile(name, 'package.json'), 'utf8')) as { version: string }).version;
  } catch {
    return undefined;
  }
}

/** The peers there are in bench/package.json. */
export const PACKAGES = [
  'onnxruntime-web',
  'onnxruntime-node',
  '@tensorflow/tfjs-backend-wasm',
  '@tensorflow/tfjs-core',
  'ml-matrix',
] as const;

/**
 * Installs bench/'s own packages where one of them is missing, at the versions of its lock file. In an installed package
 * nothing is installed, and where it does not succeed `says` is told why: rows without their peer are reported as such.
 */
export function installPeers(says: (line: string) => void): void {
  if (ROOT === undefined) return;
  const folder = join(ROOT, 'bench');
  if (PACKAGES.every((name) => existsSync(join(folder, 'node_modules', name, 'package.json')))) return;
  says('installing the peers into bench/node_modules');
  try {
    execFileSync('npm', ['ci', '--no-progress', '--ignore-scripts', '--prefix', folder], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } catch (error) {
    const output = String((error as { stderr?: Uint8Array }).stderr ?? error);
    says(`the peers cannot be installed: ${/^npm error.*$/m.exec(output)?.[0] ?? output.trim().split('\n').at(-1)}`);
  }
  prune(join(folder, 'node_modules', 'onnxruntime-node', 'bin'));
}

/** Removes the native libraries of other platforms: most of that package's size. */
function prune(folder: string): void {
  for (const abi of existsSync(folder) ? readdirSync(folder) : [])
    for (const platform of readdirSync(join(folder, abi)))
      for (const arch of readdirSync(join(folder, abi, platform)))
        if (platform !== process.platform || arch !== process.arch)
          rmSync(join(folder, abi, platform, arch), { recursive: true, force: true });
}
