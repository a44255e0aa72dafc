// Nodes are restarted one by one under load, with common client libraries connected.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import Pusher from "pusher-js";

import { waitUntil } from "../node/server.mjs";
import { clients } from "../web/client.mjs";
import { Cluster } from "./house.mjs";

let cluster;
before(async () => (cluster = await Cluster.start(3)), { timeout: 60_000 });
after(() => cluster?.stop(), { timeout: 60_000 });

test("nobody misses an event through a rolling restart", { timeout: 120_000 }, async () => {
  const app = await cluster.nodes[0].createApp({ replay: { "room-": 500 } });
  const { balancer } = cluster;
  const web = await clients(cluster.nodes[0], app);
  const heard = [];
  const pushers = [];
  for (let n = 0; n < 8; n++) {
    const pushi = web.make({ baseUrl: balancer.wsUrl });
    const channel = pushi.subscribe("room-1");
    const own = [];
    channel.bind("message", (event, data) => own.push(Number(data)));
    await channel.ready;
    heard.push(own);
    const pusher = new Pusher(app.key, {
      cluster: "",
      wsHost: "127.0.0.1",
      wsPort: balancer.port,
      forceTLS: false,
      enabledTransports: ["ws"],
      enableStats: false,
    });
    const room = pusher.subscribe("room-1");
    const ownPusher = [];
    room.bind("message", (data) => ownPusher.push(Number(data)));
    await waitUntil(() => room.subscribed, "on the channel");
    pushers.push({ pusher, own: ownPusher });
  }

  let count = 0;
  let on = true;
  let asking = Promise.resolve();
  const publishing = (async () => {
    while (on) {
      const ready = cluster.nodes.filter((node) => !balancer.out.has(node));
      const node = ready[count % ready.length];
      asking = fetch(`${node.url}/events`, {
        method: "POST",
        headers: { Authorization: `Bearer ${app.token}`, "Content-Type": "application/json" },
        body: JSON.stringify({ channel: "room-1", event: "message", data: String(count + 1) }),
      });
      const answer = await asking;
      assert.equal(answer.status, 200);
      count += 1;
      await new Promise((done) => setTimeout(done, 20));
    }
  })();
  for (const node of cluster.nodes) {
    // Like a load balancer: first no new requests, then wait for those in progress.
    balancer.out.add(node);
    await asking;
    await cluster.restart(node);
  }
  on = false;
  await publishing;

  const everything = Array.from({ length: count }, (_, index) => index + 1);
  for (const own of heard) {
    await waitUntil(() => own.length >= count, "all events", 20);
    assert.deepEqual(own, everything, "each once, and in order");
  }
  for (const { pusher, own } of pushers) {
    // pusher-js exposes no ids, so replayed events are duplicates: only the first of each counts.
    await waitUntil(() => new Set(own).size >= count, "all events", 20);
    assert.deepEqual([...new Set(own)], everything, "in order");
    pusher.disconnect();
  }
  await web.close();
});
