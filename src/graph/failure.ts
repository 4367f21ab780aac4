import { DataError, InterruptedError, KappaError, MemoryError, ModelError, UnsupportedError } from '../errors.ts';
import type { Node } from '../onnx/model.ts';
import { describe } from './order.ts';

/** Runs `body`; what a model or its data did wrong there is thrown again with the node's name in front. */
export function atNode<T>(node: Node, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof KappaError) || error instanceof InterruptedError) throw error;
    const message = `${describe(node)}: ${error.message}`;
    if (error instanceof MemoryError) throw new MemoryError(message, error.needed, error.budget, { cause: error });
    if (error instanceof UnsupportedError) throw new UnsupportedError(message, { cause: error });
    if (error instanceof ModelError) throw new ModelError(message, { cause: error });
    if (error instanceof DataError) throw new DataError(message, { cause: error });
    throw new KappaError(error.code, message, { cause: error });
  }
}
