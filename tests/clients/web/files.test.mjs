// The served files and their headers.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import vm from "node:vm";
import { gzipSync } from "node:zlib";

import { Server } from "../node/server.mjs";
import { options } from "./client.mjs";

let server;
before(async () => (server = await Server.start({ PUSHI_ALLOWED_ORIGINS: "https://only.example" })));
after(() => server?.stop());

const SCRIPT = "text/javascript; charset=utf-8";
const FILES = {
  "/pushi.js": SCRIPT,
  "/pushi.mjs": SCRIPT,
  "/pushi.d.ts": "application/typescript; charset=utf-8",
  "/pushi-sw.js": SCRIPT,
  "/examples/chat.html": "text/html; charset=utf-8",
  "/examples/web-push.html": "text/html; charset=utf-8",
};

test("each file has its type, a tag, and leave for every origin", options, async () => {
  for (const [path, type] of Object.entries(FILES)) {
    const answer = await fetch(server.url + path, { headers: { Origin: "https://elsewhere.example" } });
    assert.equal(answer.status, 200, path);
    assert.equal(answer.headers.get("content-type"), type);
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    const tag = answer.headers.get("etag");
    assert.match(tag, /^"[0-9a-f]+-gzip"$/);
    assert.ok((await answer.text()).length > 1_000);
    const again = await fetch(server.url + path, { headers: { "If-None-Match": tag } });
    assert.deepEqual([again.status, await again.text(), again.headers.get("etag")], [304, "", tag]);
    assert.equal(again.headers.get("access-control-allow-origin"), "*");
    const head = await fetch(server.url + path, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("etag")], [200, tag]);
    const post = await fetch(server.url + path, { method: "POST" });
    assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
    assert.equal((await fetch(`${server.wsUrl.replace("ws", "http")}${path}`)).status, 200);
  }
});

test("the scripts are small", options, async () => {
  for (const path of ["/pushi.js", "/pushi.mjs"]) {
    const bytes = gzipSync(await (await fetch(server.url + path)).text()).length;
    assert.ok(bytes <= 14 * 1024, `${path}: ${bytes} bytes gzipped`);
  }
});

test("the classic script defines Pushi and nothing else", options, async () => {
  const text = await (await fetch(`${server.url}/pushi.js`)).text();
  const context = vm.createContext({ URL, setTimeout });
  const before = vm.runInContext("Object.getOwnPropertyNames(globalThis)", context);
  vm.runInContext(text, context);
  const added = vm.runInContext("Object.getOwnPropertyNames(globalThis)", context).filter((name) => !before.includes(name));
  assert.deepEqual([...added], ["Pushi"]);
  assert.equal(vm.runInContext("typeof Pushi", context), "function");
});

test("the demo's back end is only there where it was asked for", options, async () => {
  const query = "socket_id=1.2&channel=presence-chat&name=ann";
  for (const path of ["/examples/app", `/examples/auth?${query}`]) {
    assert.equal((await fetch(server.url + path)).status, 404);
  }
  const demo = await Server.start({ PUSHI_DEMO: "1", PUSHI_APP_ID: "d", PUSHI_APP_KEY: "d-key", PUSHI_APP_SECRET: "d-secret" });
  try {
    assert.deepEqual(await (await fetch(`${demo.url}/examples/app`)).json(), { key: "d-key" });
    const grant = await (await fetch(`${demo.url}/examples/auth?${query}`)).json();
    assert.match(grant.auth, /^d-key:[0-9a-f]{64}$/);
    assert.deepEqual(JSON.parse(grant.channel_data), { user_id: "ann", peer: true, name: "ann" });
    for (const bad of [
      "socket_id=x&channel=presence-chat&name=ann",
      "socket_id=1.2&channel=global&name=ann",
      "socket_id=1.2&channel=personal-bo&name=ann",
      "socket_id=1.2&channel=peer-chat:ann%26bo&name=ann",
      "socket_id=01.2&channel=presence-chat&name=ann",
      "socket_id=1.2:presence-chat&channel=presence-chat&name=ann",
      `socket_id=1.2&channel=${encodeURIComponent('presence-chat:{"user_id":"bo"}')}&name=ann`,
      `socket_id=1.2&channel=${encodeURIComponent(':user::{"id":"bo"}')}&name=ann`,
      "socket_id=1.2&channel=private-a:b&name=ann",
      "socket_id=1.2&channel=presence-chat&name=a%26b",
      "socket_id=1.2&channel=presence-chat",
      "",
    ]) {
      assert.equal((await fetch(`${demo.url}/examples/auth?${bad}`)).status, 400, bad);
    }
    // Pages of other origins get neither the key nor a signature.
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ]) {
      for (const path of ["/examples/app", `/examples/auth?${query}`]) {
        assert.equal((await fetch(demo.url + path, { headers })).status, 403, JSON.stringify(headers));
      }
    }
    for (const headers of [{ origin: demo.url }, { "sec-fetch-site": "same-origin" }]) {
      assert.equal((await fetch(`${demo.url}/examples/auth?${query}`, { headers })).status, 200);
    }
  } finally {
    await demo.stop();
  }
});

test("the demo signs for one app alone", options, async () => {
  const query = "socket_id=1.2&channel=private-a&name=ann";
  const demo = await Server.start({ PUSHI_DEMO: "1", PUSHI_ADMIN_TOKEN: "admin-token-of-the-demo" });
  try {
    const create = (name) =>
      fetch(`${demo.url}/apps`, {
        method: "POST",
        headers: { authorization: "Bearer admin-token-of-the-demo", "content-type": "application/json" },
        body: JSON.stringify({ name }),
      });
    await create("one");
    assert.equal((await fetch(`${demo.url}/examples/auth?${query}`)).status, 200);
    await create("two");
    assert.equal((await fetch(`${demo.url}/examples/auth?${query}`)).status, 403);
  } finally {
    await demo.stop();
  }
});
