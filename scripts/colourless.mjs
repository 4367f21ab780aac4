/** esbuild plugin: cli-table3 loads these packages only for tables that ask it for colours; Kappa's never do. */
export const colourless = {
  name: 'colourless',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@colors\/colors/ }, ({ path }) => ({ path, namespace: 'colourless' }));
    onLoad({ filter: /./, namespace: 'colourless' }, () => ({ contents: 'module.exports = {}' }));
  },
};
