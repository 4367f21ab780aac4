/** A name from a file as errors show it: quoted, on one line, of bounded length. */
export function show(name: string): string {
  const cut = name.length > 80 ? `${name.slice(0, 77)}...` : name;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not reach a terminal
  return `'${cut.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/g, '?')}'`;
}

/** A shape as errors show it: [2, 3]. */
export function showDims(dims: readonly (number | string | null)[]): string {
  const shown = dims.slice(0, 16).map((d) => (typeof d === 'string' ? show(d).slice(1, -1) : (d ?? '?')));
  return `[${shown.join(', ')}${dims.length > 16 ? ', ...' : ''}]`;
}
