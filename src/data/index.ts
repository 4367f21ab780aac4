/** Data for models: files and arrays to `Dataset`. */
export { batchesFor, checkDataset, fixedBatch } from './check.ts';
export type { Batch, BatchOptions, Column, Dataset, Sample } from './dataset.ts';
export { datasetFromArrays, datasetFromSamples } from './dataset.ts';
export { readNpy, writeNpy } from './npy.ts';
export type { NpzOptions } from './npz.ts';
export { readNpz, writeNpz } from './npz.ts';
export { readTensorProto, sampleFromProtos } from './proto.ts';
