/** Colours, where they are wanted: on a terminal, unless NO_COLOR, a dumb terminal or --no-color says otherwise. */
import pc from 'picocolors';
import { PLAIN, type Style } from '../report/style.ts';

/** What of a stream decides whether it takes colours. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
}

/** How to emphasise on that stream (no-color.org: NO_COLOR counts where it is not empty). */
export function styleFor(stream: Terminal, allowed = true, env: NodeJS.ProcessEnv = process.env): Style {
  if (!allowed || !stream.isTTY || env.NO_COLOR || env.TERM === 'dumb') return PLAIN;
  const { bold, dim, green, red } = pc.createColors(true);
  return { bold, dim, good: green, bad: red };
}
