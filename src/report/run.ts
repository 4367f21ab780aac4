/** What `kappa run` wrote. */
import { formatTable, printable } from './text.ts';

export interface RunReport {
  /** Name of the written file, without its folder. */
  readonly file: string;
  readonly outputs: readonly { readonly name: string; readonly type: string; readonly dims: readonly number[] }[];
}

/** The report as text, without a final line break. */
export function runText({ file, outputs }: RunReport): string {
  const table = formatTable(
    [
      { title: 'output', align: 'left' },
      { title: 'type', align: 'left' },
      { title: 'shape', align: 'left' },
    ],
    outputs.map((o) => [o.name, o.type, `[${o.dims.join(', ')}]`]),
  );
  return `${printable(file)}\n${table}`;
}
