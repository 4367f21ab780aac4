import type { Server } from 'node:http';
/** @returns the folder */
export function makeStudio(): Promise<string>;
export function serveFolder(folder: string, port?: number): Promise<Server>;
