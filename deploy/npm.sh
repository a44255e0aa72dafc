#!/usr/bin/env bash
# Builds the npm package of the browser client from what a server sends.
#
#     bash deploy/npm.sh BINARY FOLDER        pushi-VERSION.tgz, into this folder
set -euo pipefail
binary=$(realpath "$1")
folder=$(realpath "$2")
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
work=$(mktemp -d)
server=
clean() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap clean EXIT

# A server of its own, without the settings of this shell, on free ports.
mkdir "$work/server" "$work/package"
: >"$work/log"
(
    cd "$work/server"
    exec env -i APP_HOST=127.0.0.1 APP_PORT=0 SERVER_HOST=127.0.0.1 SERVER_PORT=0 DATABASE_URL=sqlite::memory: \
        RUST_LOG=info PUSHI_LOG=text PUSHI_DRAIN_SECONDS=0 "$binary" serve
) >"$work/log" 2>&1 &
server=$!
url=
for ((tries = 0; tries < 300; tries++)); do
    url=$(sed -n 's/.*rest api listening url=\([^ ]*\).*/\1/p' "$work/log")
    [ -z "$url" ] || break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
[ -n "$url" ] || { printf 'the server did not start:\n%s\n' "$(cat "$work/log")" >&2; exit 1; }

URL=$url VERSION=$version PACKAGE=$work/package node --input-type=module - <<'SCRIPT'
import { readFileSync, writeFileSync } from "node:fs";

const { URL: server, VERSION: version, PACKAGE: folder } = process.env;
const cargo = readFileSync("Cargo.toml", "utf8");
const write = (name, text) => writeFileSync(`${folder}/${name}`, text);

async function served(name) {
  const answer = await fetch(`${server}/${name}`);
  if (!answer.ok) throw new Error(`/${name} is answered with ${answer.status}`);
  return answer.text();
}

// A bundle has no address that names the server: `baseUrl` is required, and its value in a page is relative to the page.
const [head, rest] = (await served("pushi.mjs")).split(/(?<=const SCRIPT = )import\.meta\.url(?=;)/);
if (rest === undefined) throw new Error("the module does not begin as expected");
const script = head.replace(/\/\/ @ts-self-types.*\n/, "") + "null" + rest;
if (!script.includes(`const VERSION = "${version}";`)) throw new Error(`the binary is not of version ${version}`);
write("pushi.js", script);
write("pushi.d.ts", await served("pushi.d.ts"));
write("pushi-sw.js", await served("pushi-sw.js"));
for (const [from, to] of [["deploy/npm.md", "README.md"], ["LICENSE", "LICENSE"]]) write(to, readFileSync(from, "utf8"));

const manifest = {
  name: "pushi",
  version,
  description: "The browser client of Pushi: channels over WebSocket, with replay of missed events",
  license: cargo.match(/^license = "(.*)"$/m)[1],
  keywords: ["websocket", "pubsub", "realtime", "channels", "web-push"],
  type: "module",
  main: "./pushi.js",
  module: "./pushi.js",
  types: "./pushi.d.ts",
  exports: {
    ".": { types: "./pushi.d.ts", default: "./pushi.js" },
    "./pushi-sw.js": "./pushi-sw.js",
    "./package.json": "./package.json",
  },
  sideEffects: ["./pushi-sw.js"],
  files: ["pushi.js", "pushi.d.ts", "pushi-sw.js"],
  engines: { node: ">=20" },
};
write("package.json", `${JSON.stringify(manifest, null, 2)}\n`);
SCRIPT

(cd "$work/package" && npm pack --silent --offline --ignore-scripts --pack-destination "$folder" >/dev/null)
