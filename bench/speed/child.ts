/** A group of cases in a process of its own: rows go to the parent as they are measured. */
import type { Build } from '../../src/report/bench.ts';
import { type PipelineTask, runPipeline } from './cases/pipeline.ts';
import { GROUPS, selected } from './groups.ts';
import { type BenchCase, type Group, Lab, reasonFor, type Row, unmeasured } from './lab.ts';
import { speedRatio } from './measure.ts';

export interface Task {
  readonly group: string;
  readonly build: Build;
  readonly filter: readonly string[];
  readonly quick: boolean;
}

export type Message = { readonly row: Row } | { readonly done: true };

export async function measureGroup(task: Task, tell: (row: Row) => void): Promise<void> {
  const found = GROUPS.find((group) => group.name === task.group);
  if (!found) throw new Error(`no group of cases is called ${task.group}`);
  const group = selected(found, task.filter);
  const lab = new Lab(task.build, task.quick);
  const rows: Row[] = [];
  for (const c of group.cases)
    for (const row of await measureCase(lab, c)) {
      rows.push(row);
      tell(row);
    }
  for (const row of sumsOf(group, rows)) tell(row);
}

export async function measureCase(lab: Lab, c: BenchCase): Promise<Row[]> {
  try {
    return await c.run(lab);
  } catch (error) {
    return c.peers.map((peer) => unmeasured(c.name, peer, 'cpu', reasonFor(error)));
  }
}

/** Rows that are sums of others: one against each peer that all of them were measured against. */
export function sumsOf(group: Group, rows: readonly Row[]): Row[] {
  return (group.sums ?? []).flatMap(({ name, of }) => {
    const peers = [...new Set(rows.filter((row) => of.has(row.name)).map((row) => row.peer))];
    return peers.map((peer) => {
      const parts = rows.filter((row) => row.peer === peer && of.has(row.name));
      const missing = [...of.keys()].filter((part) => !parts.some((row) => row.name === part && row.ratio !== null));
      const broken = parts.find((row) => row.ratio === null);
      if (missing.length > 0)
        return unmeasured(name, peer, 'cpu', {
          status: broken?.detail.status ?? 'failed',
          reason: `${missing[0]}: ${broken?.detail.reason ?? 'not measured'}`,
        });
      const total = (value: (row: Row) => number) =>
        parts.reduce((sum, row) => sum + of.get(row.name)! * value(row), 0);
      const [ours, theirs] = [total((row) => row.ours_ms!), total((row) => row.peer_ms!)];
      const wall = [total((row) => row.detail.wall_ms![0]), total((row) => row.detail.wall_ms![1])] as const;
      const detail = { clock: 'cpu', wall_ms: wall } as const;
      return { name, peer, ratio: speedRatio(ours, theirs), ours_ms: ours, peer_ms: theirs, detail };
    });
  });
}

/** The child's whole life: the task is its last argument. */
export async function child(): Promise<void> {
  // whoever asked is gone: an exit, so that temporary files are removed
  for (const event of ['disconnect', 'SIGTERM', 'SIGINT']) process.on(event, () => process.exit(1));
  const task = JSON.parse(process.argv.at(-1)!) as Task | PipelineTask;
  if ('pipeline' in task) {
    const result = await runPipeline(task);
    await new Promise((resolve) => process.send!(result, undefined, undefined, resolve));
    process.exit(0);
  }
  const send = (message: Message) =>
    new Promise<void>((resolve) => process.send!(message, undefined, undefined, () => resolve()));
  const sending: Promise<void>[] = [];
  await measureGroup(task, (row) => sending.push(send({ row })));
  await Promise.all(sending);
  await send({ done: true });
  // engines keep workers
  process.exit(0);
}
