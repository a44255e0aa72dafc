// A proxy that speaks HTTP and refuses upgrades until `allow()`.
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";

function tunnel({ url, rawHeaders }, near, head, port) {
  const far = connect(port, "127.0.0.1");
  const lines = rawHeaders.map((text, index) => text + (index % 2 === 0 ? ": " : "\r\n"));
  far.write(`GET ${url} HTTP/1.1\r\n${lines.join("")}\r\n`);
  far.write(head);
  near.pipe(far).pipe(near);
  far.on("error", () => near.destroy());
  near.on("close", () => far.destroy());
}

export class Upgradeless {
  /** The number of upgrades that were refused. */
  refused = 0;
  #allowed = false;

  /** Leads to `port`. */
  static async to(port) {
    const proxy = new Upgradeless();
    proxy.server = createServer((near, answer) => {
      const { method, url, headers } = near;
      const far = request({ host: "127.0.0.1", port, method, path: url, headers, agent: false }, (response) => {
        answer.writeHead(response.statusCode, response.headers);
        response.on("error", () => answer.destroy());
        response.pipe(answer);
      });
      far.on("error", () => answer.destroy());
      answer.on("close", () => far.destroy());
      near.pipe(far);
    });
    proxy.server.on("upgrade", (near, socket, head) => {
      socket.on("error", () => {});
      if (proxy.#allowed) return tunnel(near, socket, head, port);
      proxy.refused++;
      socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    });
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    proxy.port = proxy.server.address().port;
    proxy.url = `http://127.0.0.1:${proxy.port}`;
    return proxy;
  }

  /** Forwards upgrades from now on. */
  allow() {
    this.#allowed = true;
  }

  /** Ends all connections. */
  cut() {
    this.server.closeAllConnections();
  }

  async stop() {
    this.server.close();
    this.cut();
    await once(this.server, "close");
  }
}
