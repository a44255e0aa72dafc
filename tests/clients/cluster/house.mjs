// Several nodes over one Redis and one PostgreSQL, which tests/run.sh starts, and a load balancer in front of them.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";

import { Server, waitUntil } from "../node/server.mjs";

const { PUSHI_TEST_POSTGRES_URL: POSTGRES, PUSHI_TEST_REDIS_URL: REDIS } = process.env;

/** A TCP load balancer: a new connection goes to the ready node with the fewest connections. */
class Balancer {
  #open = new Map();

  static async before(nodes) {
    const balancer = new Balancer();
    balancer.nodes = nodes;
    balancer.out = new Set();
    balancer.server = createServer((near) => balancer.#take(near));
    balancer.server.listen(0, "127.0.0.1");
    await once(balancer.server, "listening");
    balancer.port = balancer.server.address().port;
    balancer.wsUrl = `ws://127.0.0.1:${balancer.port}`;
    return balancer;
  }

  #take(near) {
    const ready = this.nodes.filter((node) => !this.out.has(node));
    const count = (node) => this.#open.get(node) ?? 0;
    const node = ready.reduce((least, other) => (count(other) < count(least) ? other : least));
    this.#open.set(node, count(node) + 1);
    const far = connect(node.wsPort, "127.0.0.1");
    far.once("close", () => this.#open.set(node, count(node) - 1));
    for (const [from, into] of [[near, far], [far, near]]) {
      from.on("error", () => {});
      from.pipe(into);
      from.on("close", () => into.destroy());
    }
  }

  close() {
    this.server.close();
  }
}

/** Several nodes behind a balancer. */
export class Cluster {
  /** `database`: that of Redis; nodes over the same one are one cluster. */
  static async start(count, database = 7) {
    if (!POSTGRES || !REDIS) throw new Error("PUSHI_TEST_POSTGRES_URL and PUSHI_TEST_REDIS_URL must name servers: see tests/run.sh");
    const cluster = new Cluster();
    cluster.schema = `clients_${process.pid}`;
    cluster.sql(`DROP SCHEMA IF EXISTS ${cluster.schema} CASCADE; CREATE SCHEMA ${cluster.schema}`);
    const settings = {
      DATABASE_URL: `${POSTGRES}?options[search_path]=${cluster.schema}`,
      BUS_URL: `${REDIS.replace(/\/\d*$/, "")}/${database}`,
      PUSHI_DRAIN_SECONDS: "2",
    };
    cluster.nodes = [];
    for (let n = 0; n < count; n++) cluster.nodes.push(await Server.start(settings));
    cluster.balancer = await Balancer.before(cluster.nodes);
    return cluster;
  }

  sql(text) {
    execFileSync("psql", [POSTGRES, "-q", "-v", "ON_ERROR_STOP=1", "-c", `SET client_min_messages = error; ${text}`]);
  }

  /** Stops a node and starts it again, as a rolling restart does. */
  async restart(node) {
    this.balancer.out.add(node);
    await node.end();
    await node.spawn();
    await waitUntil(() => node.log.split("redis connected").length > node.log.split("rest api listening").length - 1, "a part of the cluster");
    this.balancer.out.delete(node);
  }

  async stop() {
    this.balancer?.close();
    for (const node of this.nodes) await node.stop();
    this.sql(`DROP SCHEMA ${this.schema} CASCADE`);
  }
}
