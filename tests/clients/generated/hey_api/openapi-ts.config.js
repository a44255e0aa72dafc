// The extension that Node needs in imports. Where the generator is installed beside a tsconfig.json, it reads it there.
export default {
  input: "openapi.json",
  output: { path: "client", module: { extension: ".js" } },
};
