/** Data for models: files and arrays to `Dataset`. */
export { batchesFor, checkDataset, fixedBatch } from './check.ts';
export type { Batch, BatchOptions, Column, Dataset, Sample } from './dataset.ts';
export { datasetFromArrays, datasetFromSamples } from './dataset.ts';
export { datasetFromImages, imageFilesFromZip } from './images.ts';
export {
  IMAGE_FITS,
  IMAGE_LAYOUTS,
  IMAGE_ORDERS,
  type ImageFile,
  type ImageFit,
  type ImageLayout,
  type ImageOptions,
  type ImageOrder,
} from './images/options.ts';
export { isImagePath } from './images/paths.ts';
export { readNpy, writeNpy } from './npy.ts';
export type { NpzOptions } from './npz.ts';
export { readNpz, writeNpz } from './npz.ts';
export { readTensorProto, sampleFromProtos } from './proto.ts';
