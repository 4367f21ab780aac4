import { gridBytes, packDense, planesOf, splitPlanes, toHalf, toInt16, toInt8 } from '../grid/index.ts';
import { DATA_TYPES, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';
import type { QuantizedWeight, WeightFormat } from './format.ts';
import { type Layout, layoutOf } from './layout.ts';
import { planeTable } from './tables.ts';

/**
 * Any width, with standard operators only, at every opset from 7; runtimes that fold constants decode once, at load.
 *
 * Codes of 8 and 16 bits are stored as integers less 2^(bits-1). Others are stored as bit planes (grid/pack.ts): each byte
 * of a plane picks a row of a table, which yields 8 / p codes' shares; the top plane's table carries the -2^(bits-1), so
 * that shares have disjoint bits in two's complement and both adding and OR-ing them gives the signed code. From opset 18
 * they are joined by BitwiseOr in int8, before it as floats. Then one Cast, one Sub where there are zero points, one Mul:
 * in fp32 exactly (code - zero) * scale.
 */
export const dense: WeightFormat = {
  name: 'dense',
  widths: [2, 3, 4, 5, 6, 7, 8, 16],
  scaleTypes: ['float16', 'float'],
  opset: () => 7,
  bytes: gridBytes,
  write(wasm, b, weight) {
    const { name, grid } = weight;
    const layout = layoutOf(grid, weight.codes, weight.dims, weight.rowAxis);
    const codes = grid.bits > 7 ? wideCodes(wasm, b, weight, layout) : planeCodes(wasm, b, weight, layout);
    let value = codes.value;
    let bytes = codes.bytes;
    if (layout.zeros) {
      const zeros = layout.zeros;
      const t =
        zeros instanceof Uint16Array
          ? tensor('int16', layout.scaleDims, toInt16(wasm, zeros))
          : tensor('int8', layout.scaleDims, toInt8(wasm, zeros, grid.bits));
      bytes += t.data.byteLength;
      value = b.node('Sub', [value, b.cast(b.initializer(`${name}.z`, t), DATA_TYPES.float)]);
    }
    const scale =
      grid.scaleType === 'float16'
        ? tensor('float16', layout.scaleDims, toHalf(wasm, layout.scales))
        : tensor('float', layout.scaleDims, layout.scales);
    bytes += scale.data.byteLength;
    const stored = b.initializer(`${name}.s`, scale);
    const factor = grid.scaleType === 'float16' ? b.cast(stored, DATA_TYPES.float) : stored;
    const product = b.node('Mul', [value, factor], {}, layout.restore ? undefined : name);
    layout.restore?.(b, product, name);
    return bytes;
  },
};

interface Codes {
  /** A float value of the layout's view: code - 2^(bits-1). */
  readonly value: string;
  readonly bytes: number;
}

function wideCodes(wasm: Wasm, b: Builder, { name, grid }: QuantizedWeight, { codes, view }: Layout): Codes {
  const t =
    codes instanceof Uint16Array
      ? tensor('int16', view, toInt16(wasm, codes))
      : tensor('int8', view, toInt8(wasm, codes, grid.bits));
  return { value: b.cast(b.initializer(`${name}.q`, t), DATA_TYPES.float), bytes: t.data.byteLength };
}

function planeCodes(wasm: Wasm, b: Builder, { name, grid }: QuantizedWeight, layout: Layout): Codes {
  const { bits } = grid;
  const n = layout.codes.length;
  const packed = packDense(wasm, layout.codes as Uint8Array, bits);
  const planes = planesOf(bits);
  const parts = splitPlanes(packed, n, bits).map((bytes, i) => {
    const top = i === planes.length - 1;
    const table = planeTable(b, planes[i]!, top ? -(2 ** (bits - 1)) : 0);
    const base = planes.length === 1 ? `${name}.q` : `${name}.q${i}`;
    const at = b.cast(b.initializer(base, tensor('uint8', [bytes.length], bytes)), DATA_TYPES.int32);
    const shares = b.node('Gather', [table, at]);
    if (n % 8 === 0) return b.reshape(shares, layout.view);
    return b.reshape(b.slice(b.reshape(shares, [-1]), 0, n), layout.view);
  });
  const joinInInt8 = b.opset >= 18;
  const shares = joinInInt8 ? parts : parts.map((part) => b.cast(part, DATA_TYPES.float));
  const joined = shares.reduce((a, c) => b.node(joinInInt8 ? 'BitwiseOr' : 'Add', [a, c]));
  return { value: joinInInt8 ? b.cast(joined, DATA_TYPES.float) : joined, bytes: packed.length };
}
