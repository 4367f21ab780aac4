import { test } from 'uvu';
import { type Attributes, float, floats, of, scalar, string } from '../ops/compare.ts';
import { awayFrom, check } from './check.ts';

const x = floats([3, 7], -3, 3);

test('activations with kinks, away from them', () => {
  const kinked: [string, Attributes, number[], number?][] = [
    ['Relu', {}, [0]],
    ['Abs', {}, [0]],
    ['LeakyRelu', { alpha: float(0.2) }, [0]],
    ['LeakyRelu', {}, [0]],
    ['ThresholdedRelu', { alpha: float(0.5) }, [0.5], 22],
    ['HardSigmoid', {}, [-2.5, 2.5]],
    ['HardSigmoid', { alpha: float(-0.5), beta: float(0.3) }, [0.6, -1.4]],
    ['HardSwish', {}, [-3, 3]],
    ['Elu', { alpha: float(0.7) }, [0]],
    ['Selu', {}, [0]],
    ['Celu', { alpha: float(1.3) }, [0]],
    ['Softsign', {}, [0]],
  ];
  for (const [opType, attributes, kinks, opset = 17] of kinked)
    check(opType, [awayFrom(x, kinks)], attributes, { opset });
});

test('Clip: bounds as inputs, as attributes, one of them, none', () => {
  const y = awayFrom(x, [-1, 1.5]);
  const inner = { of: [0] };
  check('Clip', [y, scalar('float', -1), scalar('float', 1.5)], {}, inner);
  check('Clip', [y, undefined, scalar('float', 1.5)], {}, inner);
  check('Clip', [y, scalar('float', -1)], {}, inner);
  check('Clip', [y], {}, inner);
  check('Clip', [y], { min: float(-1), max: float(1.5) }, { opset: 9 });
});

test('smooth activations', () => {
  for (const opType of ['Exp', 'Sigmoid', 'Tanh', 'Erf', 'Softplus', 'Neg']) check(opType, [x]);
  check('Swish', [x], { alpha: float(0.8) }, { opset: 24 });
  check('Mish', [floats([2, 9], -4, 4)], {}, { opset: 18 });
  check('Gelu', [x], {}, { opset: 20 });
  check('Gelu', [x], { approximate: string('tanh') }, { opset: 20 });
  const positive = floats([3, 5], 0.5, 3);
  for (const opType of ['Log', 'Sqrt', 'Reciprocal']) check(opType, [positive]);
});

test('PRelu, its slope a scalar, a channel, the whole', () => {
  const y = awayFrom(floats([2, 3, 5]), [0]);
  for (const slope of [floats([1]), floats([3, 1]), floats([2, 3, 5])]) check('PRelu', [y, slope]);
});

test('what is constant between its steps has no gradient', () => {
  const y = of([4], -1.3, 0.2, 0.7, 2.3);
  for (const opType of ['Floor', 'Ceil', 'Round', 'Sign']) check(opType, [y]);
});

test.run();
