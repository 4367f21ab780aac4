/** The text with what stands between two markers replaced. @throws Error where the markers are missing */
export function withSection(text: string, start: string, end: string, body: string): string {
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`README.md: expected the markers '${start}' and '${end}'`);
  return `${text.slice(0, from)}${start}\n\n${body}\n\n${text.slice(to)}`;
}
