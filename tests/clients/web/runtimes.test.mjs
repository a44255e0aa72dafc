// The served module in several JavaScript runtimes, and its types in TypeScript.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Server } from "../node/server.mjs";
import { download, options } from "./client.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const MODULES = resolve(HERE, "../../node_modules");
const RUNTIMES = resolve(process.env.PUSHI_RUNTIMES ?? MODULES);
const run = promisify(execFile);

let server;
let app;
let files;
before(async () => {
  server = await Server.start();
  app = await server.createApp();
  files = await download(server, "pushi.mjs", "pushi.js", "pushi.d.ts", "pushi.d.mts");
  symlinkSync(MODULES, join(files.folder, "node_modules"));
  for (const name of ["program.mjs", "module.ts", "classic.ts"]) copyFileSync(join(HERE, name), join(files.folder, name));
});
after(async () => {
  files?.drop();
  await server?.stop();
});

const runtimes = {
  "this Node": [process.execPath],
  "Node 22": [join(RUNTIMES, "node22/bin/node")],
  Deno: [join(RUNTIMES, ".bin/deno"), "run", "--allow-all", "--no-check", "--quiet"],
  Bun: [join(RUNTIMES, ".bin/bun")],
};

for (const [name, [command, ...before]] of Object.entries(runtimes)) {
  test(`it runs in ${name}, and ends when it was closed`, options, async () => {
    const settings = [join(files.folder, "pushi.mjs"), server.wsUrl, app.key, app.secret];
    const { stdout } = await run(command, [...before, "program.mjs", ...settings], {
      cwd: files.folder,
      timeout: 50_000,
      env: { ...process.env, HOME: files.folder, NO_PROXY: "*" },
    });
    assert.deepEqual(JSON.parse(stdout).late, "meanwhile");
    assert.equal(JSON.parse(stdout).code, 4001);
  });
}

test("Deno loads it from the server itself, and connects to where it came from", options, async () => {
  const text = `import { Pushi } from "${server.url}/pushi.mjs"; const p = new Pushi("${app.key}"); await p.open(); console.log(p.url); p.close();`;
  const [command, ...before] = runtimes.Deno;
  const { stdout } = await run(command, ["eval", "--quiet", text], { cwd: files.folder, timeout: 50_000 });
  assert.ok(before.length > 0);
  assert.equal(stdout.trim(), `${server.url.replace("http", "ws")}/${app.key}`);
});

test("the classic script is a CommonJS module, too", options, async () => {
  const text = `const Pushi = require("./pushi.js"); console.log(typeof Pushi, typeof Pushi.PushiError)`;
  await run("cp", ["pushi.js", "pushi.cjs"], { cwd: files.folder });
  const { stdout } = await run(process.execPath, ["-e", text.replace(".js", ".cjs")], { cwd: files.folder });
  assert.equal(stdout.trim(), "function function");
});

const STRICT = "--strict --noEmit --exactOptionalPropertyTypes --noUncheckedIndexedAccess --noImplicitOverride --skipLibCheck false";

// Declarations of other packages are not checked.
test("a strict TypeScript program compiles against its types", options, async () => {
  const compile = async (...words) => {
    const tsc = join(MODULES, "typescript/bin/tsc");
    const told = await run(process.execPath, [tsc, ...STRICT.split(" "), "--typeRoots", join(files.folder, "none"), ...words], { cwd: files.folder }).catch((error) => error);
    assert.equal(told.stdout, "");
  };
  await compile("--target", "es2022", "--module", "nodenext", "--lib", "es2023,dom", "module.ts");
  await compile("--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2023,dom", "module.ts");
  await compile("--target", "es2022", "--module", "esnext", "--moduleDetection", "legacy", "--lib", "es2023,dom", "classic.ts");
});
