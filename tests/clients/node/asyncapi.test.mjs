// The AsyncAPI document by the parser of the AsyncAPI project.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Parser } from "@asyncapi/parser";

import { Server } from "./server.mjs";

let server;
before(async () => (server = await Server.start()));
after(() => server?.stop());

/** What the parser finds; that a version of AsyncAPI is newer is no fault. */
async function findings(text) {
  const { document, diagnostics } = await new Parser().parse(text);
  const found = diagnostics.filter(({ code }) => code !== "asyncapi-latest-version");
  return { document, found: found.map(({ code, path, message }) => `${code} ${path.join("/")}: ${message}`) };
}

const served = async () => (await fetch(`${server.url}/asyncapi.json`)).text();

test("the parser finds nothing in the served document", { timeout: 60_000 }, async () => {
  const { document, found } = await findings(await served());
  assert.deepEqual(found, []);
  assert.equal(document.version(), "3.0.0");
  assert.equal(document.servers().all()[0].host(), new URL(server.url).host);
  const actions = document.operations().all().map((operation) => operation.action());
  assert.ok(actions.includes("send") && actions.includes("receive"));
  for (const channel of document.channels().all()) {
    assert.ok(channel.messages().all().length > 10, channel.id());
    for (const message of channel.messages().all()) assert.ok(message.examples().all().length > 0, message.id());
  }
});

test("the parser finds a direction that is none", { timeout: 60_000 }, async () => {
  const document = JSON.parse(await served());
  document.operations.pushiSubscribe.action = "subscribe";
  const { found } = await findings(JSON.stringify(document));
  assert.match(found.join(" "), /operations\/pushiSubscribe\/action/);
});
