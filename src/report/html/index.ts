/** The door to reports as pages: loaded by itself, since the plots are many times the size of the rest. */
export type { Made } from '../types.ts';
export type { Page, PageFigure, PageSection, PageTable, Picture } from './page.ts';
export type { Drawn } from './svg.ts';
export { pageHtml } from './html.ts';
export { type QuantizePageInput, quantizeHtml, quantizePage } from './quantize.ts';
export { type SweepPageInput, sweepHtml, sweepPage } from './sweep.ts';
export { type DemoPageInput, demoHtml, demoPage, layerDemoHtml, layerDemoPage } from './demo.ts';
export { type AnalyzePageInput, analyzeHtml, analyzePage } from './analyze.ts';
