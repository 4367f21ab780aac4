/** One piece of work at a time: the bar, the time left, cancel, and the rest of the page out of reach meanwhile. */
import { breath } from '../src/progress.ts';
import type { OnProgress } from './client.ts';
import { alertText, announce, at, button, show } from './dom.ts';

const SECTIONS = ['s-model', 's-data', 's-budget', 's-result'];

/** Below this share of a stage, and before this many milliseconds of it, nothing is said of the time left. */
const LEAST_SHARE = 0.02;
const LEAST_TIME = 500;

let running = false;
let cancelled: (() => void) | undefined;

/** Whether a piece of work is under way. */
export const busy = (): boolean => running;

const ask = (event: BeforeUnloadEvent): void => event.preventDefault();

function seconds(n: number): string {
  const whole = Math.ceil(n);
  return whole < 100 ? `${whole} s` : `${Math.ceil(whole / 60)} min`;
}

/**
 * @param cancel ends the work: `body` then throws
 * @returns what `body` gives; undefined where it failed, which has then been said, or was cancelled
 */
export async function working<T>(
  cancel: () => void,
  body: (progress: OnProgress) => Promise<T>,
): Promise<T | undefined> {
  alertText('');
  const focused = document.activeElement as HTMLElement | null;
  running = true;
  cancelled = cancel;
  addEventListener('beforeunload', ask);
  for (const id of SECTIONS) at(id).inert = true;
  const bar = at<HTMLProgressElement>('bar');
  bar.removeAttribute('value');
  at('stage').textContent = 'starting';
  at('left').textContent = '';
  button('cancel').disabled = false;
  show('s-work');
  if (focused && focused !== document.body) button('cancel').focus();
  let stage = '';
  let start = 0;
  try {
    return await body((name, done, total) => {
      const now = performance.now();
      if (name !== stage) {
        [stage, start] = [name, now];
        announce(name);
      }
      at('stage').textContent = name;
      const share = total > 0 ? Math.min(1, done / total) : 0;
      if (total > 0) bar.value = share;
      else bar.removeAttribute('value');
      const known = share > LEAST_SHARE && now - start > LEAST_TIME;
      const left = known ? ((now - start) / 1000) * (1 / share - 1) : undefined;
      at('left').textContent = left === undefined ? '' : `about ${seconds(left)} left of this step`;
    });
  } catch (error) {
    alertText(error);
    return undefined;
  } finally {
    running = false;
    cancelled = undefined;
    removeEventListener('beforeunload', ask);
    show('s-work', false);
    for (const id of SECTIONS) at(id).inert = false;
    // Focus needs the layout of all that has changed: not in one task with the change.
    await breath();
    const now = document.activeElement;
    if (now === document.body || now === button('cancel')) focused?.focus();
  }
}

/** Ends what runs. */
export function cancelWork(): void {
  if (!running) return;
  button('cancel').disabled = true;
  at('stage').textContent = 'cancelling';
  announce('cancelling');
  cancelled?.();
}
