// The WebSocket to the server: messages in, acknowledgements out, and a new one when it breaks.

const FIRST_WAIT = 500, LONGEST_WAIT = 5000; // ms before another attempt
const SILENCE = 6000; // ms without a message, of which one comes every second: the link is dead

/** Splits a binary message: {header, picture}, a Blob. */
function pictureOf(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { header, picture: new Blob([new Uint8Array(buffer, 4 + length)], { type: "image/jpeg" }) };
}

export class Connection {
  /**
   * `handlers`: hello, event, status (messages), picture (header, Blob), state (name, code of the
   * close). Names: "connecting", "open", "waiting" for another attempt, "refused" without a token.
   */
  constructor(path, handlers) {
    this.handlers = handlers;
    this.address = new URL(path, location.href);
    this.address.protocol = this.address.protocol.replace("http", "ws");
    this.wait = FIRST_WAIT;
    this.socket = null;
    this.open = false; // since the server's hello
    window.addEventListener("online", () => this.retry());
  }

  connect() {
    clearTimeout(this.timer);
    this.handlers.state("connecting");
    const socket = new WebSocket(this.address);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      this.listen();
      if (data instanceof ArrayBuffer) {
        const { header, picture } = pictureOf(data);
        this.handlers.picture(header, picture);
        return;
      }
      const message = JSON.parse(data);
      if (message.type === "hello") {
        this.wait = FIRST_WAIT;
        this.open = true;
        this.handlers.state("open");
      }
      this.handlers[message.type]?.(message);
    };
    socket.onclose = ({ code }) => this.lose(socket, code);
    this.listen();
  }

  /** Connect now, in place of waiting longer. */
  retry() {
    if (this.socket === null) this.connect();
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  listen() {
    clearTimeout(this.silence);
    const socket = this.socket;
    this.silence = setTimeout(() => {
      socket.close();
      this.lose(socket);
    }, SILENCE);
  }

  async lose(socket, code) {
    if (this.socket !== socket) return;
    this.socket = null;
    this.open = false;
    clearTimeout(this.silence);
    socket.onmessage = socket.onclose = null;
    const wait = this.wait;
    this.wait = Math.min(2 * wait, LONGEST_WAIT);
    this.timer = setTimeout(() => this.connect(), wait);
    this.handlers.state("waiting", code);
    if (wait > FIRST_WAIT && (await refused()) && !this.open) this.handlers.state("refused");
  }
}

/** Whether the server is there and wants a token. */
async function refused() {
  try {
    return (await fetch("/api/sources", { cache: "no-store" })).status === 401;
  } catch {
    return false;
  }
}
