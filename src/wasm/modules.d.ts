/** Kernels as bundlers and edge platforms give them: compiled before the program runs. */
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}

/** The spelling that Next.js and Vercel want. */
declare module '*.wasm?module' {
  const module: WebAssembly.Module;
  export default module;
}
