import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makePlace, network, npz, samples } from './command.ts';

/** The command on a model with an operator that is not supported. */
const test = suite('a model that cannot be run');

test('inspect says which, quantize works on the weights alone, data is refused', async () => {
  const place = makePlace();
  try {
    place.write('net.onnx', network(undefined, 1, 'Unheard'));
    place.write('calib.npz', npz(samples(64)));
    const inspected = await place.kappa('inspect', 'net.onnx');
    assert.is(inspected.code, 0);
    assert.match(inspected.stdout, /^not supported: Unheard$/m);
    assert.match(inspected.stdout, /Unheard +a0 +no such operator, opset 17/);
    const quantized = await place.kappa('quantize', 'net.onnx', '--bits', '5', '-o', 'out.onnx');
    assert.is(quantized.code, 0, quantized.stderr);
    assert.match(quantized.stdout, /the model cannot be run here: operators that are not supported: Unheard/);
    assert.match(quantized.stdout, /not measured: activations, damage, accuracy/);
    const again = await place.kappa('inspect', 'out.onnx');
    assert.match(again.stdout, /^not supported: Unheard$/m);
    const refused = await place.kappa('quantize', 'net.onnx', '--bits', '5', '--calib', 'calib.npz', '-o', 'no.onnx');
    assert.is(refused.code, 4);
    assert.match(refused.stderr, /^error: .*which data needs: operators that are not supported: Unheard .*\n$/m);
    assert.not.ok(place.files().includes('no.onnx'));
  } finally {
    place.remove();
  }
});

test.run();
