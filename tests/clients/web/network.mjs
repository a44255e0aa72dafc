// A network between client and server that can fail.
import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Network {
  #pairs = new Set();
  #frozen = false;
  #refusing = false;

  /** Leads to `port`. */
  static async to(port) {
    const network = new Network();
    network.server = createServer((near) => {
      if (network.#refusing) return near.destroy();
      const far = connect(port, "127.0.0.1");
      const pair = [near, far];
      network.#pairs.add(pair);
      for (const [from, into] of [pair, [far, near]]) {
        from.on("data", (bytes) => network.#frozen || into.write(bytes));
        from.on("error", () => {});
        from.on("close", () => {
          network.#pairs.delete(pair);
          // While it is frozen, a closed side is not reported to the other.
          if (!network.#frozen) into.destroy();
        });
      }
    });
    network.server.listen(0, "127.0.0.1");
    await once(network.server, "listening");
    network.port = network.server.address().port;
    network.wsUrl = `ws://127.0.0.1:${network.port}`;
    return network;
  }

  /** Number of open connections. */
  get connections() {
    return this.#pairs.size;
  }

  /** Drops bytes silently. */
  freeze() {
    this.#frozen = true;
  }

  /** Forwards new connections again; existing ones stay dead. */
  thaw() {
    this.cut();
    this.#frozen = false;
  }

  /** Ends all connections without a closing handshake. */
  cut() {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#pairs.clear();
  }

  /** Ends all connections and accepts none until `mend()`. */
  break() {
    this.#refusing = true;
    this.cut();
  }

  mend() {
    this.#refusing = false;
  }

  async stop() {
    this.cut();
    this.server.close();
    await once(this.server, "close");
  }
}
