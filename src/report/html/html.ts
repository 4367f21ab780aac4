import { printable } from '../text.ts';
import type { Page, PageFigure, PageSection, PageTable, Picture } from './page.ts';
import { STYLE } from './style.ts';
import { svgOf } from './svg.ts';

/** Widths of pictures in pixels: of a page, of a phone, and of two side by side. The page scales them a little. */
const WIDE = 1000;
const NARROW = 380;
const HALF = 430;

/** Text as HTML: control characters replaced, everything that could be markup escaped. */
export function escaped(text: string): string {
  return printable(text).replaceAll(
    /[&<>"']/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c]!,
  );
}

/** One HTML file that needs nothing else: no script runs, nothing is fetched. The report's JSON lies in `#data`. */
export function pageHtml(page: Page): string {
  let pictures = 0;
  const next = () => `p${pictures++}`;
  const figures = page.figures.map(figureOf).join('');
  const sections = page.sections.map((s, i) => sectionHtml(s, `s${i}`, next)).join('\n');
  const contents = page.sections.map((s, i) => `<li><a href="#s${i}">${escaped(s.title)}</a></li>`).join('');
  // "<" inside JSON could end the element it lies in.
  const data = JSON.stringify(page.data).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(page.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(page.title)}</h1>
${figures === '' ? '' : `<dl class="figures">${figures}</dl>`}
${paragraphs(page.text)}
<nav aria-label="Contents"><ul>${contents}</ul></nav>
${sections}
</main>
<script type="application/json" id="data">${data}</script>
</body>
</html>
`;
}

function figureOf({ value, name, label }: PageFigure): string {
  const known = label === undefined ? '' : ` <span class="label">[${label}]</span>`;
  return `<div><dt>${escaped(name)}${known}</dt><dd>${escaped(value)}</dd></div>`;
}

function paragraphs(text: readonly string[] = []): string {
  return text.map((t) => `<p>${escaped(t)}</p>`).join('\n');
}

function sectionHtml(section: PageSection, id: string, next: () => string): string {
  const { title, text, pictures = [], table, items, code } = section;
  const parts = [`<h2 id="${id}">${escaped(title)}</h2>`, paragraphs(text)];
  if (pictures.length > 0)
    parts.push(`<div class="pictures">${pictures.map((p) => figureHtml(p, next())).join('\n')}</div>`);
  if (items)
    parts.push(
      `<ul>${items.map(({ mark, text: t }) => `<li><span class="mark">${escaped(mark)}</span> ${escaped(t)}</li>`).join('\n')}</ul>`,
    );
  if (code !== undefined) parts.push(`<pre><code>${escapedCode(code)}</code></pre>`);
  if (table) {
    const inner = tableHtml(table, title);
    const closed = pictures.length > 0 && section.open !== true;
    parts.push(
      closed ? `<details><summary>In numbers: ${escaped(table.caption ?? title)}</summary>${inner}</details>` : inner,
    );
  }
  return `<section aria-labelledby="${id}">${parts.filter((p) => p !== '').join('\n')}</section>`;
}

function escapedCode(code: string): string {
  return code.split('\n').map(escaped).join('\n');
}

function figureHtml({ description, draw, half, caption }: Picture, id: string): string {
  const svg = (width: number, end: string, kind: string) => {
    const { option, height } = draw(width);
    return svgOf(option, width, height, `${id}${end}`).replace(
      '<svg ',
      `<svg role="img" aria-label="${escaped(description)}"${kind === '' ? '' : ` class="${kind}"`} `,
    );
  };
  const pictures = half ? svg(HALF, '', '') : svg(WIDE, '', 'wide') + svg(NARROW, 'n', 'narrow');
  const shown = caption === undefined ? '' : `<figcaption>${escaped(caption)}</figcaption>`;
  return `<figure${half ? ' class="half"' : ''}>${pictures}${shown}</figure>`;
}

/** What stands to the right: numbers, with their signs, intervals and units, and what stands in a number's place. */
const NUMBER =
  /^(?:[<~±+-]{0,2}\d[\d.,e+-]*[%x]?(?: ± [\d.,e-]+%?)?(?:, mean [\d.]+)?(?: (?:[kMGTP]?B|ms))?|-|inf|-inf|NaN|float)$/;

function tableHtml({ columns, rows, caption }: PageTable, title: string): string {
  const texts = columns.map((_, i) => rows.some((row) => !NUMBER.test(row[i] ?? '-')));
  const kind = (i: number) => (i > 0 && texts[i] ? ' class="t"' : '');
  const head = columns.map((c, i) => `<th scope="col"${kind(i)}>${escaped(c)}</th>`).join('');
  const body = rows
    .map((row) => {
      const [first, ...rest] = row.map((cell) => escaped(cell ?? '-'));
      return `<tr><th scope="row">${first ?? ''}</th>${rest.map((c, i) => `<td${kind(i + 1)}>${c}</td>`).join('')}</tr>`;
    })
    .join('\n');
  const name = escaped(caption ?? title);
  // A table that scrolls must be reachable by keyboard.
  return `<div class="scroll" tabindex="0" role="region" aria-label="${name}"><table><caption${caption === undefined ? ' class="hidden"' : ''}>${name}</caption><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}
