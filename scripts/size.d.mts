/** Bytes of minified files, and of gzip -9 of each of them together. */
export interface Size {
  readonly raw: number;
  readonly gzip: number;
}

export interface Stage extends Size {
  readonly files: number;
  /** Bytes by room or package. */
  readonly rooms: Readonly<Record<string, number>>;
}

export interface CoreSizes {
  /** Loaded at once. */
  readonly core: Stage;
  /** Loaded by the first `quantize`. */
  readonly job: Stage;
  /** Null where they are not built. */
  readonly kernels: Size | null;
  /** Loaded for something less common, by the source that is asked for. */
  readonly later: Readonly<Record<string, Size & { readonly files: number }>>;
}

/** The core door as it is built; `stages` has the files of dist/ that each stage loads and none before it. */
export function coreDoor(): Promise<{
  readonly contents: ReadonlyMap<string, Uint8Array>;
  readonly stages: Readonly<Record<'core' | 'job' | 'report', readonly string[]>>;
  readonly sizes: CoreSizes;
}>;
