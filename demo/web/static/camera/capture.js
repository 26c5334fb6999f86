// The camera of this device: its newest picture, as JPEG.

const WISHES = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
const QUALITY = 0.8; // of JPEG, 0 to 1
const SIDES = ["user", "environment"]; // of a phone: front and back

const WORDS = {
  NotAllowedError:
    "The camera was refused. Allow it at the camera or lock symbol beside the address, then start again.",
  NotFoundError: "There is no camera on this device. Photos work without one.",
  NotReadableError: "The camera cannot be opened: another program may use it. Close that, then start again.",
  OverconstrainedError: "This camera is gone: choose another one.",
};
const NO_ACCESS =
  "Browsers give the camera only to pages over HTTPS or on this machine itself. Start the server with " +
  "--tls-cert and --tls-key, or open its page as localhost. Photos work without that.";

export class Capture {
  /** `ended` is called when the camera goes away by itself. */
  constructor(ended) {
    this.ended = ended;
    this.stream = null;
    this.video = document.createElement("video");
    this.video.className = "eye"; // some browsers decode only what is in the page
    this.video.muted = this.video.playsInline = true;
    this.video.setAttribute("aria-hidden", "true");
    this.video.tabIndex = -1;
    document.body.append(this.video);
    this.fresh = false; // the video shows a picture that was not grabbed yet
    this.arrived = null; // resolves `next`
  }

  /** Open a camera: "user", "environment", the id of a device, or "" for any. Throws an Error with
   * words for the viewer. */
  async open(choice) {
    if (!navigator.mediaDevices) throw new Error(NO_ACCESS);
    this.close();
    const named = SIDES.includes(choice) || !choice
      ? { facingMode: choice || "user" } : { deviceId: { exact: choice } };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { ...WISHES, ...named } });
      this.track.addEventListener("ended", () => this.ended());
      this.video.srcObject = this.stream;
      await this.video.play();
    } catch (error) {
      this.close();
      throw new Error(WORDS[error.name] ?? `The camera cannot be opened: ${error.message || error.name}.`);
    }
    this.watch(this.stream);
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = this.video.srcObject = null;
    this.fresh = false;
  }

  get track() {
    return this.stream.getVideoTracks()[0];
  }

  /** Whether it looks at the viewer, as all cameras do that do not say otherwise. */
  get front() {
    return this.track.getSettings().facingMode !== "environment";
  }

  /** The cameras to choose from: [{value, title}], and the value of the open one. */
  async choices() {
    const { deviceId, facingMode } = this.track.getSettings();
    const devices = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    if (facingMode && devices.length > 1) { // a phone: its lenses are many
      return [[{ value: "user", title: "front" }, { value: "environment", title: "back" }], facingMode];
    }
    return [devices.map((each, k) => ({ value: each.deviceId, title: each.label || `camera ${k + 1}` })), deviceId];
  }

  /** Resolve when there is a picture that was not grabbed yet. */
  async next() {
    if (!this.video.requestVideoFrameCallback) await new Promise(requestAnimationFrame);
    else if (!this.fresh) await new Promise((done) => (this.arrived = done));
  }

  watch(stream) {
    this.video.requestVideoFrameCallback?.(() => {
      if (stream !== this.stream) return;
      this.fresh = true;
      this.arrived?.();
      this.watch(stream);
    });
  }

  /** Draw the newest picture into a canvas, whose longer side becomes at most `longest` pixels; its
   * JPEG, null without a picture. */
  grab(canvas, longest) {
    this.fresh = false;
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth) return null;
    const scale = Math.min(1, longest / Math.max(videoWidth, videoHeight));
    const [width, height] = [videoWidth, videoHeight].map((side) => Math.max(1, Math.round(side * scale)));
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    canvas.getContext("2d", { alpha: false }).drawImage(this.video, 0, 0, width, height);
    return new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  }
}
