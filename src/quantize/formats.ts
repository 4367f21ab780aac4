import { dense, denseBytes } from './dense.ts';
import type { WeightFormat } from './format.ts';
import { integer } from './integer.ts';
import { nbits, nbitsTable } from './nbits.ts';
import { qdq } from './qdq.ts';

/** Formats by the name a plan gives them: a new one is one file and one line here. */
export const FORMATS: Readonly<Record<string, WeightFormat>> = {
  dense,
  'dense-bytes': denseBytes,
  integer,
  nbits,
  'nbits-table': nbitsTable,
  qdq,
};
