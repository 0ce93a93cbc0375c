/** A line that breaks: passes connections on to a server, and cuts one of them when so much has gone over it. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Cutter {
  url;
  cuts = 0;
  /** How many bytes have gone to the server since the last `cutOnceAfter`. */
  bytes = 0;
  #target;
  #server;
  #cutAfter = Number.POSITIVE_INFINITY;
  #sockets = new Set();

  constructor(target) {
    this.#target = new URL(target);
  }

  async open() {
    this.#server = createServer((client) => this.#pass(client));
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  cutOnceAfter(bytes) {
    this.cuts = 0;
    this.bytes = 0;
    this.#cutAfter = bytes;
  }

  #pass(client) {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => {}); // being cut is what it is for
      socket.on("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    server.pipe(client);
    client.pipe(server);
    client.on("data", (chunk) => {
      this.bytes += chunk.length;
      if (this.bytes < this.#cutAfter) return;
      this.#cutAfter = Number.POSITIVE_INFINITY;
      this.cuts += 1;
      client.resetAndDestroy();
    });
  }
}
