import { fuse } from './fuse.ts';
import type { Step } from './steps.ts';

/** The nodes of a run in order, and after each the values that nothing later reads. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly dead: readonly (readonly string[])[];
  /** Of these the ones that the step may write its result over, since it reads them once. */
  readonly dying?: readonly (readonly string[])[];
  /** The same run in fewer steps, which do not make every value: for runs that nobody observes. */
  readonly fused?: Plan | undefined;
}

/**
 * The order with what can be freed after each step.
 * @param kept values that stay to the end: outputs, and what the caller names
 * @param constants as `fuse` takes them
 */
export function planOf(steps: readonly Step[], kept: Iterable<string>, constants?: ReadonlyMap<string, Step>): Plan {
  const names = new Set(kept);
  const fused = fuse(steps, names, constants);
  return { ...ordered(steps, names), fused: fused === steps ? undefined : ordered(fused, names) };
}

function ordered(steps: readonly Step[], kept: ReadonlySet<string>): Plan {
  const seen = new Set(kept);
  const dead: string[][] = steps.map(() => []);
  for (let i = steps.length - 1; i >= 0; i--) {
    const { reads, node } = steps[i]!;
    for (const name of [...reads, ...node.outputs]) {
      if (name === '' || seen.has(name)) continue;
      seen.add(name);
      dead[i]!.push(name);
    }
  }
  const dying = steps.map(({ node, again }, i) =>
    dead[i]!.filter((name) => !again?.has(name) && isOnce(node.inputs, name)),
  );
  return { steps, dead, dying };
}

function isOnce(names: readonly string[], name: string): boolean {
  const at = names.indexOf(name);
  return at >= 0 && at === names.lastIndexOf(name);
}
