// The WebSocket to the server: one picture there, its answer back. It is opened when a picture waits.

const FIRST_WAIT = 500, LONGEST_WAIT = 5000; // ms before another attempt
const PATIENCE = 10_000; // ms for an answer
const BUSY = 1013; // code of a server that serves too many cameras

export class Link {
  /** `hello` takes the server's first message, `lost` words on why the connection ended. */
  constructor(path, hello, lost) {
    this.address = new URL(path, location.href);
    this.address.protocol = this.address.protocol.replace("http", "ws");
    [this.hello, this.lost] = [hello, lost];
    this.socket = null;
    this.wait = FIRST_WAIT;
    this.number = 0;
    this.done = null; // takes the answer that is due
  }

  /** The answer to a JPEG: {header, picture}, with a picture, a Blob, only where faces are covered;
   * null where there was no connection. */
  async ask(jpeg) {
    if (!this.socket && !(await this.connect())) return null;
    const socket = this.socket;
    const message = new Uint8Array(4 + jpeg.size);
    message.set(new Uint8Array(await jpeg.arrayBuffer()), 4);
    if (this.socket !== socket) return null;
    this.number += 1;
    new DataView(message.buffer).setUint32(0, this.number, true);
    socket.send(message);
    return this.message();
  }

  close() {
    const socket = this.socket;
    this.forget();
    socket?.close();
  }

  /** Whether the server is there. */
  async connect() {
    const socket = new WebSocket(this.address);
    let there = false;
    this.socket = socket;
    socket.onopen = () => (there = true);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.finish(parsed(data));
    socket.onclose = ({ code, reason }) => {
      if (this.socket !== socket) return;
      if (code === BUSY) this.wait = LONGEST_WAIT;
      this.lost(reason || (there ? "the connection broke" : "the server cannot be reached"));
      this.forget();
    };
    const message = await this.message();
    if (message) {
      this.wait = FIRST_WAIT;
      this.number = 0;
      this.hello(message.header);
      return true;
    }
    const wait = this.wait;
    this.wait = Math.min(2 * wait, LONGEST_WAIT);
    await new Promise((done) => setTimeout(done, wait));
    return false;
  }

  /** The next message; null where it does not come. */
  message() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.lost("the server does not answer");
      this.close();
    }, PATIENCE);
    return new Promise((done) => (this.done = done));
  }

  finish(message) {
    clearTimeout(this.timer);
    this.done?.(message);
    this.done = null;
  }

  forget() {
    this.socket = null;
    this.finish(null);
  }
}

function parsed(data) {
  if (typeof data === "string") return { header: JSON.parse(data), picture: null };
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  return { header, picture: new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }) };
}
