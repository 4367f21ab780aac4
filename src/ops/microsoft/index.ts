import { operators } from '../table.ts';

/** com.microsoft: onnxruntime's contributed operators, as optimised exports hold them. */
export const MICROSOFT = operators();
