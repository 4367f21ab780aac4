/** Two threads: against one of our own, and against onnxruntime-web with two. Time is that on the clock. */
import { readModel, Session } from '../../../src/node.ts';
import type { BenchCase, Group } from '../lab.ts';
import { type Side, sideOf } from '../lab.ts';
import type { Work } from '../measure.ts';
import { ortModel } from '../peers/ort.ts';
import { resnet18Input } from './forward.ts';
import { outputsDiffer } from './model.ts';

const NAME = 'threads 2, forward resnet18';
const OWN = 'kappa, 1 thread';
const WEB = 'onnxruntime-web, 2 threads';

/** The runtime comes after our own: its waiting threads are not there yet while ours are timed against each other. */
const own: BenchCase = {
  name: NAME,
  peers: [OWN],
  run: async (lab) => {
    const { bytes, feeds } = resnet18Input();
    const model = readModel(bytes);
    const [two, one] = [new Session(model, await lab.kernels(2)), new Session(model, await lab.kernels(1))];
    try {
      // the same bits, whatever the number of threads
      const side = await sideOf(OWN, 0, async () => ({
        work: () => one.run(feeds),
        difference: outputsDiffer(two.run(feeds), one.run(feeds)),
      }));
      return await lab.rows(NAME, () => two.run(feeds), [side], 'wall');
    } finally {
      two.dispose();
      one.dispose();
    }
  },
};

const web: BenchCase = {
  name: NAME,
  peers: [WEB],
  run: async (lab) => {
    const { bytes, feeds } = resnet18Input();
    const session = new Session(readModel(bytes), await lab.kernels(2));
    let close: () => unknown = () => {};
    try {
      const side: Side = await sideOf(WEB, 1e-4, async () => {
        const model = await ortModel('onnxruntime-web', bytes, feeds, 2);
        close = () => model.close();
        return { work: model.call as Work, difference: outputsDiffer(session.run(feeds), await model.run()) };
      });
      return await lab.rows(NAME, () => session.run(feeds), [side], 'wall');
    } finally {
      session.dispose();
      await close();
    }
  },
};

export const threads: Group = { name: 'threads', cases: [own, web] };
