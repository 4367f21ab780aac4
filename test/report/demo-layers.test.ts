import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findingText } from '../../src/report/demo-findings.ts';
import { type LayerDemoReport, layerDemoText } from '../../src/report/demo-layers.ts';
import { layerDemoHtml, layerDemoPage } from '../../src/report/html/demo.ts';

const layer = (name: string, component: string, lossCurvature: number | null, given: number) => ({
  name,
  opType: 'MatMul',
  params: 1000,
  component,
  spectralCurvature: 2,
  lossCurvature,
  damage: 0.001,
  requiredBits: 9,
  recommendedBits: 17,
  given: [given],
});

const report = (demo: LayerDemoReport['demo'], attention: number | null): LayerDemoReport => ({
  kappa: '0.1.0',
  demo,
  model: 'net.onnx',
  calibration: 64,
  samples: 128,
  budgets: [4.1],
  layers: [layer('q', 'Q/K projection', attention, 5), layer('up', 'FFN up/down', 1, 3)],
  files: [
    { configuration: 'original (fp32)', averageBits: 32, bytes: 9000, accuracy: 0.9, crossEntropy: 0.3, kl: 0 },
    { configuration: 'uniform at 4.1', averageBits: 4.1, bytes: 1200, accuracy: 0.88, crossEntropy: 0.31, kl: 0.02 },
    { configuration: 'guided at 4.1', averageBits: 4.1, bytes: 1200, accuracy: 0.9, crossEntropy: 0.3, kl: 0.004 },
  ].map((f) => ({ ...f, klError: f.kl > 0 ? f.kl / 8 : null })),
  byDepth: { spectral: 0.8, loss: -0.7, given: [null] },
  seconds: 1,
});

test('the document’s findings are judged by what was measured', () => {
  assert.match(
    findingText(report('resnet', 1)),
    /0\.80, so by that measure the finding holds; .* -0\.70, .* is the other way round; bits given: none at 4\.1, .* says nothing here/,
  );
  const named = report('resnet', 1).layers.map((l, i) => ({ ...l, name: ['conv1', 'fc'][i]! }));
  assert.match(
    findingText({ ...report('resnet', 1), layers: named }),
    /sigma_max here: conv1 2 \(the document: 2\.3\), fc 2 \(the document: 128\.5\)/,
  );
  assert.match(
    findingText(report('transformer', 3)),
    /loss curvature.* is 3 times that of FFN, so that the finding holds; .* 5\.00 against 3\.00 at 4\.1, it needs more bits/,
  );
  assert.match(findingText(report('transformer', 0.5)), /is 0\.500 times that of FFN, the other way round/);
  assert.match(
    findingText(report('transformer', 1)),
    /spectral curvature of attention is 1 times that of FFN, about the same/,
  );
  assert.match(findingText(report('transformer', null)), /loss curvature.* is unknown/);
  const swapped = (a: number, f: number) => {
    const { layers, ...rest } = report('transformer', 3);
    return findingText({ ...rest, layers: layers.map((l, i) => ({ ...l, given: [i === 0 ? a : f] })) });
  };
  assert.match(swapped(3, 5), /it needs fewer bits than FFN/);
  assert.match(swapped(4, 4.05), /it does not need more bits than FFN/);
});

test('as text: files, parts, layers', () => {
  const text = layerDemoText(report('transformer', 3));
  assert.match(text, /guided at 4\.1 +4\.10 +90\.00% +0\.30000 +4\.00 ± 0\.500 +1\.20 kB/);
  assert.match(text, /^ +Q\/K projection +1 +1,000 +2 +8\.7 +3 +17\.0 +8-10 +5\.00$/m);
  assert.match(text, /^ +up +1,000 +2 +1 +9 +17 +3\.00$/m);
});

test('as a page: the same figures', () => {
  const page = layerDemoPage({ report: report('resnet', 3), command: 'kappa demo resnet' });
  assert.ok(page.figures.some((f) => f.value === '5.00x'));
  assert.not.match(layerDemoHtml({ report: report('resnet', null), command: 'again' }), /NaN|undefined|Infinity/);
});

test.run();
