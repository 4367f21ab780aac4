/** ONNX files: bytes to `Model` and back. */
export {
  dataOf,
  embedded,
  externalBytes,
  externalLocations,
  type ModelFiles,
  sizeOfFiles,
  writeModelFiles,
} from './external.ts';
export { irOfOpset, makeNode, makeValueInfo, withFunctions, withGraph, withIrVersion, withOpset } from './make.ts';
export type { Attribute, Graph, Initializer, Model, ModelFunction, Node, ValueInfo } from './model.ts';
export { withFunction, withNode } from './origin.ts';
export { readModel } from './read.ts';
export type { External, ReadOptions } from './tensor.ts';
export { makeInitializer, readTensorProto, typeName } from './tensor.ts';
export { writeModel } from './write.ts';
