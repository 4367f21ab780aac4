/** Looks of a page: light, dark and on paper. */
const LIGHT = `--paper:#fff;--ink:#1c2330;--soft:#566072;--line:#c9d0da;--box:#f4f6f9;
--c0:#1f6fd1;--c1:#c2571a;--c2:#2e8540;--c3:#8a4fbf;--c4:#b3264a;--c5:#6b7280;
--w2:#e8a33d;--w3:#dc7a2e;--w4:#c4504a;--w5:#9c4283;--w6:#6d4ba3;--w7:#41599f;--w8:#23709a;--w16:#17776b`;
const DARK = `--paper:#14181f;--ink:#e6eaf0;--soft:#a3adbd;--line:#3a4352;--box:#1d232d;
--c0:#6aa9f7;--c1:#f0935a;--c2:#6cc483;--c3:#c39af0;--c4:#f07f9b;--c5:#a3adbd;
--w2:#f7c468;--w3:#f39a58;--w4:#e8756d;--w5:#cf74b2;--w6:#a98add;--w7:#839ce6;--w8:#5fb0da;--w16:#57c0ae`;

/** Colours by name, as declarations of CSS. */
export const PALETTE = { light: LIGHT.replaceAll('\n', ''), dark: DARK.replaceAll('\n', '') };

export const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1.5rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2.2rem 0 .4rem}
p{margin:.3rem 0;color:var(--soft);max-width:52rem;overflow-wrap:anywhere}
a{color:var(--c0)}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;margin:1rem 0 0;padding:0;font-size:.85rem}nav li{margin:0}
.figures{display:flex;flex-wrap:wrap;gap:.75rem;margin:0 0 1rem;padding:0}
.figures div{background:var(--box);border:1px solid var(--line);border-radius:.5rem;padding:.6rem 1rem;flex:0 1 auto}
.figures dt{color:var(--soft);font-size:.85rem}.figures dd{margin:0;font-size:1.35rem;font-weight:600}
.label{font-size:.75rem;font-weight:600;color:var(--ink);white-space:nowrap}
.pictures{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:.5rem 0;flex:1 1 100%;min-width:0}
figure.half{flex:1 1 18rem;max-width:32rem}figure svg{width:100%;height:auto;display:block}
figure svg.narrow{display:none}
figcaption{font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}
.scroll{overflow-x:auto;max-width:100%}table{border-collapse:collapse;font-size:.85rem}
caption{text-align:left;color:var(--soft);padding:.2rem 0}
th,td{padding:.2rem .9rem .2rem 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
.t{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:6rem;max-width:26rem}
th:first-child{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:8rem;max-width:20rem}
tbody th{font-weight:400}thead th{font-weight:600;vertical-align:bottom}
summary{cursor:pointer;padding:.3rem 0;width:fit-content}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
pre{background:var(--box);padding:.8rem;border-radius:.5rem;white-space:pre-wrap;overflow-wrap:anywhere;margin:.4rem 0}
code{font-family:ui-monospace,monospace;font-size:.95em}
li{margin:.3rem 0;overflow-wrap:anywhere}.mark{font-weight:600}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
@media screen and (max-width:40rem){body{padding:1rem}figure svg.wide{display:none}figure svg.narrow{display:block}}
@media print{:root{color-scheme:light;${LIGHT};--ink:#000;--soft:#333;--box:#fff}
body{max-width:none;padding:0;font-size:.85rem}nav,summary{display:none}
details::details-content{content-visibility:visible;display:block}
h2{break-after:avoid;margin-top:1.2rem}figure,tr,.figures,li,pre{break-inside:avoid}thead{display:table-header-group}
.scroll{overflow:visible}table{font-size:.65rem}td,th{padding-right:.5rem}thead th{white-space:normal}
.t{min-width:3rem}th:first-child{min-width:5.5rem}.t,th:first-child{white-space:normal;overflow-wrap:anywhere}}
`;
