// The page: it hands the files to the worker, shows how far the job is, and offers the result.
const form = document.querySelector('form');
const status = document.querySelector('[role=status]');
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { model, data, bits } = form.elements;
  const [modelBytes, dataBytes] = await Promise.all([model, data].map((input) => input.files[0].arrayBuffer()));
  worker.postMessage({ model: modelBytes, data: dataBytes, bits: Number(bits.value) }, [modelBytes, dataBytes]);
});

worker.addEventListener('message', ({ data: { stage, done, total, bytes, error } }) => {
  if (bytes) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([bytes]));
    link.download = 'small.onnx';
    link.textContent = `small.onnx, ${bytes.length} bytes`;
    status.replaceChildren(link);
  } else status.textContent = error ?? `${stage} ${done} of ${total}`;
});
