/** The page's elements, and how it speaks. */
import { breath } from '../src/progress.ts';
import { Failure } from './client.ts';
import { adviceOn } from './advice.ts';

export const at = <T extends HTMLElement = HTMLElement>(id: string): T => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
};
export const input = (id: string): HTMLInputElement => at<HTMLInputElement>(id);
export const button = (id: string): HTMLButtonElement => at<HTMLButtonElement>(id);

export const show = (id: string, shown = true): void => {
  at(id).hidden = !shown;
};

/** Shows a section, and takes keyboard and screen reader to its heading. */
export async function reveal(id: string): Promise<void> {
  show(id);
  await breath();
  const heading = at(id).querySelector('h2');
  heading?.setAttribute('tabindex', '-1');
  heading?.focus();
}

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  text: string,
  ...children: readonly Node[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  if (text !== '') made.textContent = text;
  made.append(...children);
  return made;
}

/** Says what is wrong and what to do about it; nothing where the work was cancelled. '' takes it away. */
export function alertText(error: unknown): void {
  const kind = error instanceof Failure ? error.kind : undefined;
  const said = error instanceof Error ? error.message : String(error);
  const text = kind === 'cancelled' ? '' : kind === undefined ? said : [said, adviceOn(kind)].join('\n').trimEnd();
  at('alert').textContent = text;
  at('alert').hidden = text === '';
  if (text !== '') at('alert').scrollIntoView({ block: 'nearest' });
}

/** Announcements are at least this many milliseconds apart; of those in between the last is made. */
const APART = 4000;
let announced = Number.NEGATIVE_INFINITY;
let pending: ReturnType<typeof setTimeout> | undefined;

/** Says it to screen readers once they are done with what is being read. */
export function announce(text: string): void {
  clearTimeout(pending);
  const speak = () => {
    announced = performance.now();
    at('spoken').textContent = text;
  };
  pending = setTimeout(speak, Math.max(0, announced + APART - performance.now()));
}

export function download(name: string, blob: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
