/** Packages under the name of a stock runtime that pass everything on to the real one, but misbehave on what is loaded. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const BEHAVIOURS = {
  /** The second model, the written one, ends the process. */
  crashes: "if (count === 2) process.kill(process.pid, 'SIGKILL');",
  /** It is never loaded. */
  hangs: 'if (count === 2) for (;;);',
  refuses: "if (count === 2) throw new Error('no kernel for it');",
  /** Not even the first one is loaded. */
  'refuses all': "if (count > 0) throw new Error('no kernel for it');",
  /** Outputs come out larger by a thousandth. */
  errs: `if (count === 2) {
      const run = session.run.bind(session);
      session.run = async (feeds) => {
        const out = await run(feeds);
        for (const t of Object.values(out)) for (let i = 0; i < t.data.length; i++) t.data[i] *= 1.001;
        return out;
      };
    }`,
} as const;

export type Behaviour = keyof typeof BEHAVIOURS;

/** Installs one into node_modules of a folder. The model that brings the engine up counts as none. */
export function installBroken(folder: string, runtime: 'onnxruntime-web' | 'onnxruntime-node', how: Behaviour): void {
  const at = join(folder, 'node_modules', runtime);
  mkdirSync(at, { recursive: true });
  const real = createRequire(import.meta.url).resolve(runtime);
  writeFileSync(join(at, 'package.json'), JSON.stringify({ name: runtime, version: '0.0.1', main: 'index.js' }));
  writeFileSync(
    join(at, 'index.js'),
    `const real = require(${JSON.stringify(real)});
let count = -1;
module.exports = {
  env: real.env,
  Tensor: real.Tensor,
  InferenceSession: {
    async create(bytes, options) {
      count++;
      const session = await real.InferenceSession.create(bytes, options);
      ${BEHAVIOURS[how]}
      return session;
    },
  },
};
`,
  );
}
