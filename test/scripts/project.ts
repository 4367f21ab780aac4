import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from '../helpers.ts';

/** A small project in a temporary directory: this one's scripts, settings and packages, with sources of its own. */
export interface Project {
  readonly root: string;
  write(files: Readonly<Record<string, string>>): void;
  run(command: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Result>;
  remove(): void;
}

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function makeProject(copied: readonly string[], files: Readonly<Record<string, string>> = {}): Project {
  const root = mkdtempSync(join(tmpdir(), 'kappa-project-'));
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  for (const path of copied) cpSync(join(ROOT, path), join(root, path), { recursive: true });
  const project: Project = {
    root,
    write(sources) {
      for (const [path, text] of Object.entries(sources)) {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        writeFileSync(join(root, path), text);
      }
    },
    run(command, args, env = {}) {
      return new Promise((resolve, reject) => {
        const child = spawn(command, args, {
          cwd: root,
          env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, ...env },
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        let stdout = '';
        let stderr = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          stdout += text;
        });
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          stderr += text;
        });
        child.on('error', reject);
        child.on('close', (code) => resolve({ code, stdout, stderr }));
      });
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
  project.write(files);
  return project;
}

export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}
