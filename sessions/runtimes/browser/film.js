// Pictures in, H.264 out: the browser's own decoder and encoder, in a page that shows nothing.
"use strict";

const LEVELS = ["avc1.4d0028", "avc1.42001f"]; // Main 4.0, else Baseline 3.1
const BITS_PER_S = 1_000_000;
const KEY_EVERY_US = 10_000_000;
const WAITING_MAX = 4;
const CODE_UNITS_MAX = 32_768;

function base64(buffer) {
  const bytes = new Uint8Array(buffer);
  const parts = [];
  for (let at = 0; at < bytes.length; at += CODE_UNITS_MAX) {
    parts.push(String.fromCharCode.apply(null, bytes.subarray(at, at + CODE_UNITS_MAX)));
  }
  return btoa(parts.join(""));
}

const even = (length) => Math.max(2, length - (length % 2));

class Film {
  constructor(size) {
    this.canvas = new OffscreenCanvas(size.width, size.height);
    this.drawing = this.canvas.getContext("2d", { alpha: false });
    this.chunks = [];
    this.config = "";
    this.failure = "";
    this.lastKey = -Infinity;
    this.encoder = new VideoEncoder({
      output: (chunk, metadata) => this.encoded(chunk, metadata),
      error: (error) => { this.failure = String(error); },
    });
  }

  async begin() {
    for (const codec of LEVELS) {
      const config = {
        codec, width: this.canvas.width, height: this.canvas.height, bitrate: BITS_PER_S,
        framerate: 5, latencyMode: "quality", avc: { format: "avc" },
      };
      if ((await VideoEncoder.isConfigSupported(config)).supported) {
        this.encoder.configure(config);
        return true;
      }
    }
    return false;
  }

  encoded(chunk, metadata) {
    const data = new ArrayBuffer(chunk.byteLength);
    chunk.copyTo(data);
    this.chunks.push([chunk.timestamp / 1000, chunk.type === "key", base64(data)]);
    const description = metadata?.decoderConfig?.description;
    if (description) this.config = base64(ArrayBuffer.isView(description) ? description.slice().buffer : description);
  }

  async add(atMs, picture) {
    const { canvas, drawing } = this;
    const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    drawing.fillRect(0, 0, canvas.width, canvas.height);
    drawing.drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
    const timestamp = atMs * 1000;
    const keyFrame = timestamp - this.lastKey >= KEY_EVERY_US;
    if (keyFrame) this.lastKey = timestamp;
    const frame = new VideoFrame(canvas, { timestamp });
    this.encoder.encode(frame, { keyFrame });
    frame.close();
    while (this.encoder.encodeQueueSize > WAITING_MAX && !this.failure) {
      await new Promise((resolve) => { this.encoder.addEventListener("dequeue", resolve, { once: true }); });
    }
  }

  taken() {
    if (this.failure) throw new Error(this.failure);
    return this.chunks.splice(0);
  }
}

let film = null;

// The chunks that are ready so far; a picture that cannot be read is left out.
globalThis.addPictures = async (pictures) => {
  for (const [atMs, text] of pictures) {
    let picture;
    try {
      const data = await fetch(`data:image/jpeg;base64,${text}`);
      picture = await createImageBitmap(await data.blob());
    } catch { continue; }
    if (film === null) {
      film = new Film({ width: even(picture.width), height: even(picture.height) });
      if (!await film.begin()) throw new Error("this browser has no H.264 encoder");
    }
    await film.add(atMs, picture);
    picture.close();
  }
  return film === null ? [] : film.taken();
};

globalThis.endFilm = async () => {
  if (film === null) return null;
  await film.encoder.flush();
  const chunks = film.taken();
  return { width: film.canvas.width, height: film.canvas.height, config: film.config, chunks };
};
