import { ModelError, UnsupportedError } from '../errors.ts';
import type { Node } from '../onnx/model.ts';
import { lacksRare } from '../ops/registry.ts';
import { describe, labelOf } from './order.ts';

/** Something in a model that Kappa does not run. */
export interface Problem {
  /**
   * version: of an operator set; operator: there is none of that type in its domain at that version; node: an attribute or a
   * type that the operator does not take; input and initializer: a type of element.
   */
  readonly kind: 'version' | 'operator' | 'node' | 'input' | 'initializer';
  /** Operator, with its domain in front where that is not ai.onnx; '' where no node is concerned. */
  readonly operator: string;
  /** Name of the node, or of the input or initializer; '' for a version. */
  readonly name: string;
  /** What is wrong, in words. */
  readonly reason: string;
}

/** Names listed of one kind of problem. */
const MOST_NAMED = 5;
const MOST_LISTED = 24;

/** Collects what a model holds that Kappa does not run. */
export class Problems {
  readonly list: Problem[] = [];
  readonly #seen = new Set<string>();
  #broken: ModelError | undefined;

  /** Adds a problem that is not there yet. */
  add(problem: Problem): void {
    const key = JSON.stringify(problem);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.list.push(problem);
  }

  operator(node: Node, version: number | undefined): void {
    const operator = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
    this.add({ kind: 'operator', operator, name: labelOf(node), reason: `opset ${version ?? 'not imported'}` });
  }

  /** Runs `body`; what it does not support becomes a problem of the node, and what the model has wrong is kept for `check`. */
  at<T>(node: Node, body: () => T): T | undefined {
    try {
      return body();
    } catch (error) {
      if (error instanceof ModelError) {
        this.#broken ??= error;
        return undefined;
      }
      if (!(error instanceof UnsupportedError)) throw error;
      const operator = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
      const prefix = `${describe(node)}: `;
      const reason = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
      this.add({ kind: 'node', operator, name: labelOf(node), reason });
      return undefined;
    }
  }

  /** @throws UnsupportedError naming all of them, where there are any; else the first ModelError */
  check(): void {
    if (this.list.length > 0) throw new UnsupportedError(problemsText(this.list));
    if (this.#broken !== undefined) throw this.#broken;
  }
}

/** The problems in one line. */
export function problemsText(problems: readonly Problem[]): string {
  const parts = problems.filter((p) => p.kind === 'version').map((p) => p.reason);
  const missing = new Map<string, string[]>();
  for (const p of problems) {
    if (p.kind !== 'operator') continue;
    const key = `${p.operator} (${p.reason})`;
    const names = missing.get(key);
    if (names === undefined) missing.set(key, [p.name]);
    else names.push(p.name);
  }
  if (missing.size > 0)
    parts.push(
      `operators that are not supported: ${[...missing]
        .map(
          ([key, names]) =>
            `${key} at ${few(
              names.map((n) => `"${n}"`),
              ', ',
              MOST_NAMED,
            )}`,
        )
        .join('; ')}${lacksRare() ? '; to load rare ones first: await loadOperators(model)' : ''}`,
    );
  const nodes = problems.filter((p) => p.kind === 'node').map((p) => `${p.operator} node "${p.name}": ${p.reason}`);
  if (nodes.length > 0) parts.push(`nodes that are not supported: ${few(nodes, '; ', MOST_LISTED)}`);
  const values = problems.filter((p) => p.kind === 'input' || p.kind === 'initializer');
  const named = values.map((p) => `${p.kind} "${p.name}": ${p.reason}`);
  if (named.length > 0) parts.push(`types that are not supported: ${few(named, '; ', MOST_LISTED)}`);
  return parts.join('; ');
}

function few(all: readonly string[], separator: string, most: number): string {
  const more = all.length > most ? ` and ${all.length - most} more` : '';
  return `${all.slice(0, most).join(separator)}${more}`;
}
