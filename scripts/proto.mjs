// What of onnx-proto and protobufjs goes into a bundle: the messages that src/onnx reads and writes, each with its decoder and its
// encoder, and of the wire reader and writer what these and src/onnx call. The packages are made so that a bundler cannot tell.
import { readFileSync } from 'node:fs';

const MESSAGES = [
  'AttributeProto',
  'FunctionProto',
  'ModelProto',
  'NodeProto',
  'OperatorSetIdProto',
  'StringStringEntryProto',
  'TensorProto',
  'TensorShapeProto',
  'TypeProto',
  'ValueInfoProto',
];
const CODERS = ['decode', 'encode'];
/** Whose functions they are, and those kept; `isSet` ends a statement that begins before it. */
const OWNERS = {
  reader: [
    String.raw`Reader\.prototype`,
    ['bytes', 'double', 'float', 'int32', 'raw', 'size', 'skip', 'skipType', 'string', 'tag', 'uint32'],
  ],
  writer: [
    String.raw`Writer\.prototype`,
    '_delim _reserve bytes double finish float fork int32 ldelim string uint32 uint64'.split(' '),
  ],
  minimal: ['util', ['_configure', 'isSet', 'isString', 'newBuffer', 'oneOfGetter', 'oneOfSetter']],
};
/** Parts of protobufjs that none of this needs: services, text forms, and 64-bit integers beyond what numbers hold exactly. */
const PARTS = /[\\/]protobufjs[\\/]src[\\/](?:rpc|util[\\/](?:aspromise|base64|eventemitter))\.js$/;

/** Leaves out statements `head = function ... };` that start a line and end at the first line of `};` as far in. */
function withoutFunctions(source, head, keep) {
  const statement = new RegExp(`^( *)${head} = function[\\s\\S]*?^\\1\\};\\n`, 'gm');
  return source.replace(statement, (text, _, ...names) => (keep(...names) ? text : ''));
}

/** The messages of onnx-proto's module, or the methods of protobufjs' reader and writer, that are used. */
export function usedOf(file, source) {
  if (/[\\/]onnx-proto[\\/]dist[\\/]onnx\.js$/.test(file)) {
    const messages = source.replace(/^ {4}onnx\.(\w+) = \(function\(\) \{[\s\S]*?^ {4}\}\)\(\);\n/gm, (text, name) =>
      MESSAGES.includes(name) ? text : '',
    );
    return withoutFunctions(messages, String.raw`\w+(?:\.prototype)?\.(\w+)`, (name) => CODERS.includes(name));
  }
  // Typed arrays are everywhere: what protobufjs does without them is never run.
  if (/[\\/]protobufjs[\\/]src[\\/]util[\\/]float\.js$/.test(file))
    return source.replace(/typeof Float(?:32|64)Array !== "undefined"/g, 'true');
  const [, part] = /[\\/]protobufjs[\\/]src[\\/](reader|writer|util[\\/]minimal)\.js$/.exec(file) ?? [];
  if (part === undefined) return source;
  const [owner, keep] = OWNERS[part.replace(/.*[\\/]/, '')];
  return withoutFunctions(source, String.raw`${owner}\.(\w+)`, (name) => keep.includes(name));
}

/** For esbuild. */
export const usedMessages = {
  name: 'used-messages',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^long$/ }, ({ path }) => ({ path, namespace: 'unused' }));
    onLoad({ filter: /./, namespace: 'unused' }, () => ({ contents: '' }));
    onLoad({ filter: PARTS }, () => ({ contents: '' }));
    onLoad(
      {
        filter:
          /[\\/](?:onnx-proto[\\/]dist[\\/]onnx|protobufjs[\\/]src[\\/](?:reader|writer|util[\\/](?:float|minimal)))\.js$/,
      },
      ({ path }) => ({
        contents: usedOf(path, readFileSync(path, 'utf8')),
      }),
    );
  },
};
