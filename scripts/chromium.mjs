// Where Chromium is, and how it is started for tests: CHROMIUM names another executable.
import { existsSync } from 'node:fs';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export const CHROMIUM_FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** @throws Error where there is none */
export function chromiumPath() {
  const path = process.env.CHROMIUM ?? PATHS.find((p) => existsSync(p));
  if (!path || !existsSync(path)) throw new Error(`no Chromium at ${path ?? PATHS.join(', ')}`);
  return path;
}
