/** tus-js-client for a page without a bundler: the package has no module that a browser could load. */
export const { Upload } = globalThis.tus;
