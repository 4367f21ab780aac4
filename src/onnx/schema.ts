/**
 * The fields of the ONNX messages Kappa looks into, with the wire type each must have (onnx.proto of ONNX 1.22, and the
 * protocol buffer encoding, https://protobuf.dev/programming-guides/encoding/). A field that is not listed is unknown:
 * it may have any wire type and is carried along as bytes.
 */

/**
 * What a field holds: `varint`, `fixed32` and `fixed64` are single numbers, the plural ones repeated numbers, packed or
 * one by one; `bytes` are bytes or a string; a schema is a message.
 */
export type Kind = 'varint' | 'varints' | 'fixed32' | 'fixed32s' | 'fixed64s' | 'bytes' | Schema;

export interface Schema {
  readonly name: string;
  readonly fields: Readonly<Record<number, readonly [name: string, kind: Kind]>>;
}

const STRING_ENTRY: Schema = { name: 'StringStringEntryProto', fields: { 1: ['key', 'bytes'], 2: ['value', 'bytes'] } };
const OPSET: Schema = { name: 'OperatorSetIdProto', fields: { 1: ['domain', 'bytes'], 2: ['version', 'varint'] } };
const DIMENSION: Schema = {
  name: 'Dimension',
  fields: { 1: ['dim_value', 'varint'], 2: ['dim_param', 'bytes'], 3: ['denotation', 'bytes'] },
};
const SHAPE: Schema = { name: 'TensorShapeProto', fields: { 1: ['dim', DIMENSION] } };
const TENSOR_TYPE: Schema = { name: 'TypeProto.Tensor', fields: { 1: ['elem_type', 'varint'], 2: ['shape', SHAPE] } };
const typeFields: Record<number, readonly [string, Kind]> = {};
const TYPE: Schema = { name: 'TypeProto', fields: typeFields };
Object.assign(typeFields, {
  1: ['tensor_type', TENSOR_TYPE],
  4: ['sequence_type', { name: 'TypeProto.Sequence', fields: { 1: ['elem_type', TYPE] } }],
  5: ['map_type', { name: 'TypeProto.Map', fields: { 1: ['key_type', 'varint'], 2: ['value_type', TYPE] } }],
  6: ['denotation', 'bytes'],
  8: ['sparse_tensor_type', { ...TENSOR_TYPE, name: 'TypeProto.SparseTensor' }],
  9: ['optional_type', { name: 'TypeProto.Optional', fields: { 1: ['elem_type', TYPE] } }],
});

export const VALUE_INFO: Schema = { name: 'ValueInfoProto', fields: { 1: ['name', 'bytes'], 2: ['type', TYPE] } };

export const TENSOR: Schema = {
  name: 'TensorProto',
  fields: {
    1: ['dims', 'varints'],
    2: ['data_type', 'varint'],
    3: ['segment', 'bytes'],
    4: ['float_data', 'fixed32s'],
    5: ['int32_data', 'varints'],
    6: ['string_data', 'bytes'],
    7: ['int64_data', 'varints'],
    8: ['name', 'bytes'],
    9: ['raw_data', 'bytes'],
    10: ['double_data', 'fixed64s'],
    11: ['uint64_data', 'varints'],
    12: ['doc_string', 'bytes'],
    13: ['external_data', STRING_ENTRY],
    14: ['data_location', 'varint'],
  },
};

export const ATTRIBUTE: Schema = {
  name: 'AttributeProto',
  fields: {
    1: ['name', 'bytes'],
    2: ['f', 'fixed32'],
    3: ['i', 'varint'],
    4: ['s', 'bytes'],
    5: ['t', 'bytes'],
    6: ['g', 'bytes'],
    7: ['floats', 'fixed32s'],
    8: ['ints', 'varints'],
    9: ['strings', 'bytes'],
    10: ['tensors', 'bytes'],
    11: ['graphs', 'bytes'],
    13: ['doc_string', 'bytes'],
    20: ['type', 'varint'],
    21: ['ref_attr_name', 'bytes'],
  },
};

export const NODE: Schema = {
  name: 'NodeProto',
  fields: {
    1: ['input', 'bytes'],
    2: ['output', 'bytes'],
    3: ['name', 'bytes'],
    4: ['op_type', 'bytes'],
    5: ['attribute', 'bytes'],
    6: ['doc_string', 'bytes'],
    7: ['domain', 'bytes'],
    8: ['overload', 'bytes'],
  },
};

export const GRAPH: Schema = {
  name: 'GraphProto',
  fields: {
    1: ['node', 'bytes'],
    2: ['name', 'bytes'],
    5: ['initializer', 'bytes'],
    10: ['doc_string', 'bytes'],
    11: ['input', 'bytes'],
    12: ['output', 'bytes'],
    13: ['value_info', 'bytes'],
    14: ['quantization_annotation', 'bytes'],
    15: ['sparse_initializer', 'bytes'],
  },
};

export const FUNCTION: Schema = {
  name: 'FunctionProto',
  fields: {
    1: ['name', 'bytes'],
    4: ['input', 'bytes'],
    5: ['output', 'bytes'],
    6: ['attribute', 'bytes'],
    7: ['node', 'bytes'],
    8: ['doc_string', 'bytes'],
    9: ['opset_import', OPSET],
    10: ['domain', 'bytes'],
    11: ['attribute_proto', 'bytes'],
    13: ['overload', 'bytes'],
  },
};

export const MODEL: Schema = {
  name: 'ModelProto',
  fields: {
    1: ['ir_version', 'varint'],
    2: ['producer_name', 'bytes'],
    3: ['producer_version', 'bytes'],
    4: ['domain', 'bytes'],
    5: ['model_version', 'varint'],
    6: ['doc_string', 'bytes'],
    7: ['graph', 'bytes'],
    8: ['opset_import', OPSET],
    14: ['metadata_props', 'bytes'],
    20: ['training_info', 'bytes'],
    25: ['functions', 'bytes'],
  },
};
