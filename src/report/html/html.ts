import { printable } from '../text.ts';
import type { Page, PageSection, PageTable, Picture } from './page.ts';
import { svgOf } from './svg.ts';

/** Widths of pictures in pixels, before the page scales them. */
const WIDE = 1000;
const HALF = 490;

const STYLE = `
:root{color-scheme:light dark;--paper:#fff;--ink:#1c2330;--soft:#566072;--line:#c9d0da;--box:#f4f6f9;
--c0:#1f6fd1;--c1:#c2571a;--c2:#2e8540;--c3:#8a4fbf;--c4:#b3264a;--c5:#6b7280}
@media (prefers-color-scheme:dark){:root{--paper:#14181f;--ink:#e6eaf0;--soft:#a3adbd;--line:#3a4352;--box:#1d232d;
--c0:#6aa9f7;--c1:#f0935a;--c2:#6cc483;--c3:#c39af0;--c4:#f07f9b;--c5:#a3adbd}}
@media print{:root{--paper:#fff;--ink:#000;--soft:#333;--line:#bbb;--box:#fff;
--c0:#1f6fd1;--c1:#c2571a;--c2:#2e8540;--c3:#8a4fbf;--c4:#b3264a;--c5:#6b7280}
details>*{display:block}section{break-inside:avoid}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1.5rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0 0 1rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2.2rem 0 .4rem}
p{margin:.3rem 0;color:var(--soft);max-width:52rem}
.figures{display:flex;flex-wrap:wrap;gap:.75rem;margin:0 0 1rem;padding:0}
.figures div{background:var(--box);border-radius:.5rem;padding:.6rem 1rem}
.figures dt{color:var(--soft);font-size:.85rem}.figures dd{margin:0;font-size:1.35rem;font-weight:600}
.pictures{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:.5rem 0;flex:1 1 100%;min-width:0}
figure.half{flex:1 1 24rem;max-width:32rem}figure svg{width:100%;height:auto;display:block}
figcaption{font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}
.scroll{overflow-x:auto;max-width:100%}table{border-collapse:collapse;font-size:.85rem}
th,td{padding:.2rem .7rem .2rem 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:8rem;font-weight:400}
thead th{font-weight:600;text-align:right}
summary{cursor:pointer;padding:.3rem 0}summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--c0)}
pre{background:var(--box);padding:.8rem;border-radius:.5rem;overflow-x:auto;white-space:pre-wrap}
li{margin:.3rem 0}.mark{font-weight:600}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
`;

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
  const figures = page.figures
    .map(({ value, name }) => `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`)
    .join('');
  const sections = page.sections.map((s, i) => sectionHtml(s, `s${i}`, next)).join('\n');
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
<dl class="figures">${figures}</dl>
${paragraphs(page.text)}
${sections}
</main>
<script type="application/json" id="data">${data}</script>
</body>
</html>
`;
}

function paragraphs(text: readonly string[] = []): string {
  return text.map((t) => `<p>${escaped(t)}</p>`).join('\n');
}

function sectionHtml(section: PageSection, id: string, next: () => string): string {
  const { title, text, pictures = [], table, items, code } = section;
  const parts = [`<h2 id="${id}">${escaped(title)}</h2>`, paragraphs(text)];
  if (pictures.length > 0)
    parts.push(`<div class="pictures">${pictures.map((p) => figureHtml(p, next())).join('\n')}</div>`);
  if (table) {
    const inner = tableHtml(table, title);
    const closed = pictures.length > 0 && section.open !== true;
    parts.push(closed ? `<details><summary>The same in numbers: ${escaped(title)}</summary>${inner}</details>` : inner);
  }
  if (items)
    parts.push(
      `<ul>${items.map(({ mark, text: t }) => `<li><span class="mark">${escaped(mark)}</span> ${escaped(t)}</li>`).join('\n')}</ul>`,
    );
  if (code !== undefined) parts.push(`<pre>${escapedCode(code)}</pre>`);
  return `<section aria-labelledby="${id}">${parts.filter((p) => p !== '').join('\n')}</section>`;
}

function escapedCode(code: string): string {
  return code.split('\n').map(escaped).join('\n');
}

function figureHtml({ description, option, height, half, caption }: Picture, id: string): string {
  const svg = svgOf(option, half ? HALF : WIDE, height, id);
  const shown = caption === undefined ? '' : `<span aria-hidden="true">${escaped(caption)}</span>`;
  return `<figure${half ? ' class="half"' : ''}>${svg}<figcaption>${shown}<span class="hidden">${escaped(description)}</span></figcaption></figure>`;
}

function tableHtml({ columns, rows }: PageTable, title: string): string {
  const head = columns.map((c) => `<th scope="col">${escaped(c)}</th>`).join('');
  const body = rows
    .map((row) => {
      const [first, ...rest] = row.map((cell) => escaped(cell ?? '-'));
      return `<tr><th scope="row">${first ?? ''}</th>${rest.map((c) => `<td>${c}</td>`).join('')}</tr>`;
    })
    .join('\n');
  // A table that scrolls must be reachable by keyboard.
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(title)}"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}
