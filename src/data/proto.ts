/** ONNX test data: a folder `test_data_set_N` of `input_I.pb` files, each a TensorProto. */
import { DataError } from '../errors.ts';
import type { ValueInfo } from '../onnx/model.ts';
import { show } from '../onnx/show.ts';
import { readTensorProto } from '../onnx/tensor.ts';
import type { Tensor } from '../tensor.ts';

export { readTensorProto };

/**
 * One sample from TensorProtos in the order of the model's inputs. A tensor goes to the input of its own name where the
 * model has one, else to the input of its place.
 * @param label what errors call the sample: the folder's name
 * @throws DataError for more tensors than inputs or two for one input; ModelError, UnsupportedError for damaged ones
 */
export function sampleFromProtos(
  files: readonly Uint8Array[],
  inputs: readonly ValueInfo[],
  label = 'sample',
): Map<string, Tensor> {
  const sample = new Map<string, Tensor>();
  for (const [i, bytes] of files.entries()) {
    const { name, tensor } = readTensorProto(bytes, `${label}: input ${i}`);
    const key = inputs.some((input) => input.name === name) ? name : inputs[i]?.name;
    if (key === undefined)
      throw new DataError(`${label}: ${files.length} input tensors, but the model has ${inputs.length} inputs`);
    if (sample.has(key)) throw new DataError(`${label}: two tensors for the model's input ${show(key)}`);
    sample.set(key, tensor);
  }
  return sample;
}
