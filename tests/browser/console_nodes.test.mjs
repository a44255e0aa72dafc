// The console of one node shows what happens at the others: two nodes over one Redis and one PostgreSQL, which tests/run.sh starts.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Client } from "../clients/node/client.mjs";
import { Cluster } from "../clients/cluster/house.mjs";
import { administrator, confirm, go, signIn } from "./console_page.mjs";
import { openBrowser, until } from "./web_browser.mjs";

const options = { timeout: 120_000 };

let cluster;
let near; // the node of the console
let far;
let browser;
let stopBrowser;
let app;
before(async () => {
  cluster = await Cluster.start(2, 8);
  [near, far] = cluster.nodes;
  ({ browser, stop: stopBrowser } = await openBrowser());
  app = await near.createApp();
}, { timeout: 60_000 });
after(async () => {
  await stopBrowser?.();
  await cluster?.stop();
}, { timeout: 60_000 });

async function publish(node, channel, data) {
  const headers = { Authorization: `Bearer ${app.token}`, "Content-Type": "application/json" };
  const body = JSON.stringify({ channel, event: "message", data });
  const answer = await fetch(`${node.url}/events`, { method: "POST", headers, body });
  assert.equal(answer.status, 200);
}

async function enter(node, channel, user) {
  const client = await Client.connect(node, app);
  const data = JSON.stringify({ user_id: user, peer: false, user_info: { at: user } });
  await client.subscribe(channel, { auth: app.sign(client.id, `${channel}:${data}`), channel_data: data });
  return client;
}

async function open(name, query = { app: app.ident }, node = near) {
  const page = await browser.newPage();
  await signIn(page, node, administrator);
  await go(page, node, name, query);
  return page;
}

const nodeOf = async (page, socket) => {
  const row = page.locator("#open tbody tr", { hasText: socket.id });
  await row.waitFor();
  return row.locator("td[data-label=Node]").innerText();
};

test("connections of both nodes are shown, inspected, and closed", options, async () => {
  const [ann, bo] = [await enter(near, "presence-seen", "ann"), await enter(far, "presence-seen", "bo")];
  const page = await open("connections");
  assert.notEqual(await nodeOf(page, ann), await nodeOf(page, bo));
  const row = page.locator("#open tbody tr", { hasText: bo.id });
  await row.locator("summary").click();
  await row.locator("a", { hasText: "presence-seen" }).waitFor();
  await page.locator("#user").fill("bo");
  await page.locator("#filters button").click();
  await page.locator("#open tbody tr", { hasText: ann.id }).waitFor({ state: "detached" });
  await page.locator(`#open button[aria-label="Close ${bo.id}"]`).click();
  await confirm(page);
  let frame = await bo.frame();
  while (frame.closed === undefined) frame = await bo.frame();
  assert.equal(frame.closed, 4009);
  const ended = page.locator("#closed tbody tr", { hasText: bo.id });
  assert.match(await ended.innerText(), /4009/);
  await page.locator("#open tbody tr", { hasText: bo.id }).waitFor({ state: "detached" });
  ann.raw.close();
  await page.close();
});

test("counts and members are those of both nodes", options, async () => {
  const channel = "presence-counted";
  const all = [await enter(near, channel, "cy"), await enter(far, channel, "di"), await enter(far, channel, "ed")];
  const page = await open("channels", { app: app.ident, channel });
  const row = page.locator("#list tbody tr", { hasText: channel });
  await row.waitFor();
  const counts = await row.locator("td.number").allInnerTexts();
  assert.deepEqual(counts, ["3", "3"]);
  for (const user of ["cy", "di", "ed"]) await page.locator("#members tr", { hasText: user }).first().waitFor();

  await go(page, near, "overview");
  // Connections of other tests may be closing still.
  await until(page, () => {
    const cells = [...document.querySelectorAll("#nodes td[data-label=Connections]")].map((cell) => cell.textContent);
    return cells.sort().join() === "1,2";
  });
  await page.locator("figure", { hasText: "Connections" }).locator("strong", { hasText: /^3$/ }).waitFor();
  for (const client of all) client.raw.close();
  await page.close();
});

test("the live tail shows each event of both nodes once", options, async () => {
  const channel = "presence-watched";
  const all = [await enter(near, channel, "fay"), await enter(far, channel, "gil")];
  const page = await open("tail");
  await page.locator("#state", { hasText: "Watching 2 nodes" }).waitFor();
  for (const n of [1, 2, 3]) {
    await publish(far, channel, `far-${n}`);
    await publish(near, channel, `near-${n}`);
  }
  for (const node of ["far", "near"]) for (const n of [1, 2, 3]) await page.locator("#events li", { hasText: `${node}-${n}` }).waitFor();
  assert.equal(await page.locator("#events li").count(), 6);
  const facts = async (data) => {
    const item = page.locator("#events li", { hasText: data });
    await item.locator("summary").click();
    await item.locator("dt", { hasText: "Node" }).waitFor();
    const [terms, values] = [await item.locator("dt").allInnerTexts(), await item.locator("dd").allInnerTexts()];
    return Object.fromEntries(terms.map((term, index) => [term, values[index]]));
  };
  const [there, here] = [await facts("far-1"), await facts("near-1")];
  assert.notEqual(there.Node, here.Node);
  assert.deepEqual([there.Recipients, here.Recipients], ["2", "2"]);
  for (const client of all) client.raw.close();
  await page.close();
});

test("a session is open at both nodes, and ended at one it ends at the other", options, async () => {
  const page = await open("tail", { app: app.ident }, far);
  await page.locator("#state", { hasText: "Watching 2 nodes" }).waitFor();
  const other = await page.context().newPage();
  await go(other, near, "apps", {});
  await other.locator("#sign-out").click();
  await other.waitForURL(/sign-in/);
  // Nobody touches the page of the other node.
  await page.waitForURL(/sign-in/);
  await other.close();
  await page.close();
});

test("a node that is gone is not watched any more, and one that is back is", options, async () => {
  const page = await open("tail");
  const state = (text) => page.locator("#state", { hasText: text }).waitFor({ timeout: 60_000 });
  await state("Watching 2 nodes");
  await far.end();
  await state("Watching 1 node");
  await far.spawn();
  await state("Watching 2 nodes");
  await publish(far, "watched", "back again");
  await page.locator("#events li", { hasText: "back again" }).waitFor();
  await page.close();
});
