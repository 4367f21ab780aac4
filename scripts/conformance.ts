// Runs the ONNX project's node test cases and writes what became of them to test/jobs/conformance.json, from which the tests
// know what must pass and FEATURES.md what is supported: `node --import tsx scripts/conformance.ts FOLDER`.
import { writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { caseFolders, checkCase, loadKernels, readCase, readModel } from '../src/node.ts';
import type { Graph, Model, Node } from '../src/onnx/model.ts';

/** What became of the cases. */
export interface Conformance {
  readonly cases: number;
  /** Sorted. */
  readonly passed: readonly string[];
  /** Case to reason, of the cases within Kappa's scope that do not pass. */
  readonly open: Readonly<Record<string, string>>;
  /** Case to what Kappa leaves out. */
  readonly outOfScope: Readonly<Record<string, string>>;
  /** Operator, its domain before it where that is not ai.onnx, to the cases that pass and those within scope. */
  readonly operators: Readonly<Record<string, readonly [passed: number, cases: number]>>;
}

export const CONFORMANCE = join(dirname(dirname(fileURLToPath(import.meta.url))), 'test', 'jobs', 'conformance.json');

/** TensorProto.DataType: strings, complex numbers, floats of 4 and 8 bits. */
const LEFT_OUT = new Map([
  [8, 'strings'],
  ...[14, 15].map((t) => [t, 'complex numbers'] as const),
  ...[17, 18, 19, 20, 23, 24].map((t) => [t, 'floats of 4 and 8 bits'] as const),
]);

function* nodesOf(graph: Graph): Generator<Node> {
  for (const node of graph.nodes) {
    yield node;
    for (const a of node.attributes.values()) if (a.type === 'graph') yield* nodesOf(a.value);
  }
}

/** What the case is about that Kappa leaves out, undefined where it is in scope. */
function leftOut({ graph }: Model): string | undefined {
  for (const node of nodesOf(graph)) {
    if (/^ai\.onnx\.(ml|training|preview\.training)$/.test(node.domain)) return `domain ${node.domain}`;
    if (node.opType === 'ImageDecoder') return 'image decoding';
    if (/^(Sequence|Optional|SplitToSequence|ConcatFromSequence)/.test(node.opType)) return 'sequences and optionals';
    if (/^String/.test(node.opType)) return 'strings';
    const to = node.attributes.get('to');
    const type = to?.type === 'int' ? LEFT_OUT.get(to.value) : undefined;
    if (type) return type;
  }
  for (const { elemType } of [...graph.inputs, ...graph.outputs]) {
    if (elemType === undefined) return 'sequences and optionals';
    const type = LEFT_OUT.get(elemType);
    if (type) return type;
  }
  return undefined;
}

const [folder] = process.argv.slice(2);
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (folder === undefined) throw new Error('expected the folder of the cases');
  const wasm = await loadKernels();
  const passed: string[] = [];
  const open: Record<string, string> = {};
  const outOfScope: Record<string, string> = {};
  const operators: Record<string, [number, number]> = {};
  const folders = await caseFolders([folder]);
  for (const path of folders) {
    const name = basename(path);
    const of = await readCase(path);
    const model = readModel(of.model, name);
    const { status, reason } = checkCase(wasm, of);
    const excluded = leftOut(model);
    if (status === 'passed') passed.push(name);
    else if (excluded) outOfScope[name] = excluded;
    else open[name] = reason ?? status;
    if (excluded) continue;
    // An expanded case is about the operators it is made of no more than any model is.
    const about = name.endsWith('_expanded') || name.includes('_expanded_') ? [] : [...nodesOf(model.graph)];
    for (const key of new Set(about.map((n) => (n.domain === '' ? n.opType : `${n.domain}.${n.opType}`)))) {
      operators[key] ??= [0, 0];
      operators[key][1]++;
      if (status === 'passed') operators[key][0]++;
    }
  }
  const sorted = <T>(table: Record<string, T>) =>
    Object.fromEntries(Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1)));
  const result: Conformance = {
    cases: folders.length,
    passed: passed.sort(),
    open: sorted(open),
    outOfScope: sorted(outOfScope),
    operators: sorted(operators),
  };
  writeFileSync(CONFORMANCE, `${JSON.stringify(result, null, 1)}\n`);
  const inScope = folders.length - Object.keys(outOfScope).length;
  console.log(`${folders.length} cases, ${inScope} in scope or passed, ${passed.length} passed`);
  for (const [name, reason] of Object.entries(result.open)) console.log(`${name}: ${reason}`);
}
