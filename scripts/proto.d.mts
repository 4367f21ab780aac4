import type { Plugin } from 'esbuild';

/** The messages of onnx-proto's module, or the functions of protobufjs, that are used. */
export function usedOf(file: string, source: string): string;

/** For esbuild. */
export const usedMessages: Plugin;
