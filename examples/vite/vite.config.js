import { defineConfig } from 'vite';

export default defineConfig({
  // Kappa loads what few models need only when one asks for it: the worker is a module in several files.
  worker: { format: 'es' },
  // Vite 7 and older: the development server takes the package as it is, with kernels.wasm beside it.
  optimizeDeps: { exclude: ['kappa-onnx'] },
});
