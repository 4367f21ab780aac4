/** What the whole job loads once its file is written: the report, and what a later job can go on from. */
export { writeFacts } from '../analyzer/facts-file.ts';
export { quantizePictures } from './pictures.ts';
export { ranksOf } from './ranks.ts';
export { quantizeReport } from './summary.ts';
