// A proxy that speaks HTTP and refuses upgrades.
import { once } from "node:events";
import { createServer, request } from "node:http";

export class Upgradeless {
  /** The number of upgrades that were refused. */
  refused = 0;

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
    proxy.server.on("upgrade", (_, socket) => {
      proxy.refused++;
      socket.on("error", () => {});
      socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    });
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    proxy.port = proxy.server.address().port;
    proxy.url = `http://127.0.0.1:${proxy.port}`;
    return proxy;
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
