// The npm package of the client: installed from the packed file, bundled, run and compiled against.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { BINARY, Server } from "../node/server.mjs";
import { options } from "./client.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, "../../..");
const MODULES = resolve(HERE, "../../node_modules");
const RUNTIMES = resolve(process.env.PUSHI_RUNTIMES ?? MODULES);
const NODE_20 = join(RUNTIMES, "node20/bin/node");
const NODE_22 = join(RUNTIMES, "node22/bin/node");
const run = promisify(execFile);

let server;
let app;
let folder;
let version;
before(async () => {
  server = await Server.start();
  app = await server.createApp();
  folder = mkdtempSync(join(tmpdir(), "pushi-package-"));
  await run("bash", [join(ROOT, "deploy/npm.sh"), BINARY, folder], { timeout: 50_000 });
  const [, named] = readdirSync(folder).join().match(/^pushi-(.*)\.tgz$/);
  version = named;
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }));
  const quiet = ["--silent", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"];
  await run("npm", ["install", ...quiet, `./pushi-${version}.tgz`], { cwd: folder, timeout: 50_000 });
  for (const name of ["ws", "vite", "esbuild", "typescript"]) symlinkSync(join(MODULES, name), join(folder, "node_modules", name));
  // The programs of the other tests, with the package in place of the served file.
  for (const name of ["program.mjs", "module.ts"]) {
    writeFileSync(join(folder, name), readFileSync(join(HERE, name), "utf8").replaceAll('"./pushi.mjs"', '"pushi"'));
  }
  writeFileSync(join(folder, "bundled.mjs"), readFileSync(join(folder, "program.mjs"), "utf8").replace("import(module)", 'import("pushi")'));
});
after(async () => {
  if (folder) rmSync(folder, { recursive: true });
  await server?.stop();
});

/** Runs a program that receives, misses and gets events of the server. */
async function works(node, ...words) {
  const settings = { cwd: folder, timeout: 50_000, env: { PATH: process.env.PATH, HOME: folder } };
  const { stdout } = await run(node, [...words, "pushi", server.wsUrl, app.key, app.secret], settings);
  const { late, code } = JSON.parse(stdout);
  assert.deepEqual([late, code], ["meanwhile", 4001]);
}

test("it contains the module, its types and the service worker, of the server's version", options, async () => {
  const inside = join(folder, "node_modules/pushi");
  const files = readdirSync(inside).sort();
  assert.deepEqual(files, ["LICENSE", "README.md", "package.json", "pushi-sw.js", "pushi.d.ts", "pushi.js"]);
  const { stdout } = await run(BINARY, ["--version"]);
  assert.equal(stdout.trim(), `pushi ${version}`);
  const manifest = JSON.parse(readFileSync(join(inside, "package.json"), "utf8"));
  assert.equal(manifest.version, version);
  assert.equal(manifest.scripts, undefined);
  const worker = await (await fetch(`${server.url}/pushi-sw.js`)).text();
  assert.equal(readFileSync(join(inside, "pushi-sw.js"), "utf8"), worker);
});

for (const node of [NODE_20, NODE_22]) {
  test(`it runs in ${relative(RUNTIMES, node)}`, options, () => works(node, "program.mjs"));
}

test("CommonJS requires it in Node 22", options, async () => {
  const text = 'const { Pushi, default: same } = require("pushi"); console.log(Pushi === same, Pushi.VERSION)';
  const { stdout } = await run(NODE_22, ["--input-type=commonjs", "-e", text], { cwd: folder });
  assert.equal(stdout.trim(), `true ${version}`);
});

test("a missing address is an error that says so, also in a page", options, async () => {
  for (const page of ["", 'globalThis.location = { href: "http://127.0.0.1/page" };']) {
    const text = `${page} const { Pushi } = await import("pushi"); new Pushi("key", { WebSocket: class {} })`;
    await assert.rejects(run(process.execPath, ["--input-type=module", "-e", text], { cwd: folder }), /baseUrl is missing or invalid/);
  }
});

test("an address can be relative to the page", options, async () => {
  const text = `globalThis.location = { href: "https://example.com/a/page" }; const { Pushi } = await import("pushi");
    const urls = ["/", "/realtime", "ws://127.0.0.1:1/"].map((baseUrl) => new Pushi("key", { baseUrl, share: false, WebSocket: class { close() {} } }).url);
    console.log(urls.join(" ")); process.exit();`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", text], { cwd: folder });
  assert.equal(stdout.trim(), "wss://example.com/key wss://example.com/realtime/key ws://127.0.0.1:1/key");
});

for (const format of ["esm", "iife", "cjs"]) {
  test(`esbuild bundles it without a warning (${format})`, options, async () => {
    const esbuild = await import("esbuild");
    const source = format === "esm" ? "bundled.mjs" : "sync.mjs";
    if (format !== "esm") writeFileSync(join(folder, source), 'import { Pushi } from "pushi"; console.log(Pushi.VERSION);');
    const outfile = `esbuild.${format === "esm" ? "mjs" : "cjs"}`;
    const settings = { absWorkingDir: folder, entryPoints: [source], outfile, format, bundle: true, minify: true, logLevel: "silent" };
    const { warnings } = await esbuild.build({ ...settings, platform: format === "iife" ? "browser" : "node", external: ["ws"] });
    assert.deepEqual(warnings, []);
    if (format === "esm") return works(NODE_22, outfile);
    const { stdout } = await run(process.execPath, [outfile], { cwd: folder });
    assert.equal(stdout.trim(), version);
  });
}

test("Vite builds a page with it without a warning", options, async () => {
  const vite = await import("vite");
  const warnings = [];
  const warn = (text) => warnings.push(text);
  const customLogger = { ...vite.createLogger("silent"), warn, warnOnce: warn, error: warn };
  const input = join(folder, "bundled.mjs");
  const build = { outDir: "vite", modulePreload: false, target: "es2022", rollupOptions: { input, external: ["ws"], output: { entryFileNames: "[name].js" } } };
  await vite.build({ root: folder, configFile: false, logLevel: "silent", customLogger, build });
  assert.deepEqual(warnings, []);
  await works(NODE_22, "vite/bundled.js");
});

test("Vite's server of a project under development prepares it", options, async () => {
  const vite = await import("vite");
  const settings = { root: folder, configFile: false, logLevel: "silent", cacheDir: join(folder, "cache") };
  const listener = { port: 0, host: "127.0.0.1", watch: null, ws: false };
  const dev = await vite.createServer({ ...settings, optimizeDeps: { include: ["pushi"], entries: ["bundled.mjs"] }, server: listener });
  try {
    await dev.listen();
    const url = `http://127.0.0.1:${dev.httpServer.address().port}`;
    const page = await (await fetch(`${url}/bundled.mjs`)).text();
    const [, module] = page.match(/"([^"]*pushi\.js[^"]*)"/);
    const prepared = await (await fetch(url + module)).text();
    assert.ok(prepared.includes(`"${version}"`), prepared);
  } finally {
    await dev.close();
  }
});

// The declarations themselves are checked where they are served.
test("a strict TypeScript program compiles against it", options, async () => {
  const strict = "--strict --noEmit --exactOptionalPropertyTypes --noUncheckedIndexedAccess --skipLibCheck --target es2022 --lib es2023,dom";
  for (const words of ["--module nodenext", "--module esnext --moduleResolution bundler"]) {
    const command = [join(MODULES, "typescript/bin/tsc"), ...`${strict} ${words}`.split(" "), "--typeRoots", join(folder, "none"), "module.ts"];
    const done = await run(process.execPath, command, { cwd: folder }).catch((error) => error);
    assert.equal(done.stdout, "");
  }
});
