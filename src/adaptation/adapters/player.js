// Plays an asset's own segments: those named by asset.json go into Media Source buffers.

const AHEAD_SECONDS = 20;
const BEHIND_SECONDS = 30;

const mime = ({ kind, codec }) => `${kind}/mp4; codecs="${codec}"`;
const occurs = (target, name) =>
  new Promise((done) => target.addEventListener(name, done, { once: true }));

async function load(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
}

// Keeps one buffer, of pictures or of sound, filled with the segments of the track in force.
class Feed {
  constructor(video, source, track) {
    this.video = video;
    this.buffer = source.addSourceBuffer(mime(track));
    this.choose(track);
  }

  choose(track) {
    this.track = track;
    this.stale = true; // what is ahead comes from another track, and so does the init segment
  }

  start = (segment) => segment.start / this.track.timescale;
  end = (segment) => (segment.start + segment.duration) / this.track.timescale;

  // By its middle: containers and browsers round the ends.
  holds(segment) {
    const middle = (this.start(segment) + this.end(segment)) / 2;
    const { buffered } = this.buffer;
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= middle && middle < buffered.end(i)) return true;
    }
    return false;
  }

  missing() {
    const now = this.video.currentTime;
    const near = (segment) => this.end(segment) > now && this.start(segment) < now + AHEAD_SECONDS;
    return this.track.segments.find((segment) => near(segment) && !this.holds(segment));
  }

  async fill() {
    if (this.busy) return; // the loop below sees what has changed
    this.busy = true;
    try {
      for (let segment; this.stale || (segment = this.missing()); ) {
        await (this.stale ? this.change() : this.add(segment));
      }
    } finally {
      this.busy = false;
    }
  }

  async change() {
    const { track, video } = this;
    const init = await load(`/${track.folder}/${track.init_name}`);
    if (track !== this.track) return;
    this.stale = false;
    const now = video.currentTime;
    const shown = track.segments.find((segment) => this.end(segment) > now);
    if (shown && this.buffer.buffered.length) {
      await this.update("remove", this.start(shown), Infinity);
      video.currentTime = now; // drops what is decoded of the other track as well
    }
    this.buffer.changeType(mime(track));
    await this.update("appendBuffer", init);
  }

  async add(segment) {
    const { track } = this;
    const media = await load(`/${track.folder}/${segment.name}`);
    if (this.stale) return; // another track was chosen meanwhile
    await this.update("appendBuffer", media);
    if (!this.holds(segment)) {
      throw new Error(`${track.folder}/${segment.name} is not at the time asset.json gives`);
    }
    const past = this.video.currentTime - BEHIND_SECONDS;
    if (past > 0) await this.update("remove", 0, past);
  }

  async update(method, ...values) {
    const done = occurs(this.buffer, "updateend");
    this.buffer[method](...values);
    await done;
  }
}

// Let the browser's own menu offer the asset's subtitles, each from its one whole file.
function offerTexts(video, tracks) {
  for (const text of tracks.filter(({ kind }) => kind === "text")) {
    const element = document.createElement("track");
    const label = `${text.title || text.language}${text.forced ? " (forced)" : ""}`;
    const kind = text.hearing_impaired ? "captions" : "subtitles";
    const src = `/${text.folder}/${text.file_name}`;
    video.append(Object.assign(element, { kind, label, src, srclang: text.language }));
  }
}

// Start `asset` on the element `video`. `choices(kind, tracks, chosen, choose)` offers tracks.
export async function playSegments(video, asset, choices, complain) {
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await occurs(source, "sourceopen");
  source.duration = asset.duration_seconds;
  offerTexts(video, asset.tracks);
  const feeds = [];
  const fill = () =>
    Promise.all(feeds.map((feed) => feed.fill())).then(() => {
      const still = feeds.every(({ busy, stale }) => !busy && !stale);
      const whole = still && feeds.every((feed) => feed.holds(feed.track.segments.at(-1)));
      if (whole && source.readyState === "open") source.endOfStream();
    }, complain);
  for (const kind of ["video", "audio"]) {
    const tracks = asset.tracks
      .filter((track) => track.kind === kind && MediaSource.isTypeSupported(mime(track)))
      .sort((one, other) => other.height - one.height);
    if (!tracks.length) continue;
    const width = video.clientWidth * devicePixelRatio;
    const first = tracks.find((track) => track.width <= width) ?? tracks.at(-1);
    const feed = new Feed(video, source, first);
    feeds.push(feed);
    choices(kind, tracks, first, (track) => fill(feed.choose(track)));
  }
  if (!feeds.length) throw new Error("This browser decodes none of the asset's codecs.");
  for (const name of ["timeupdate", "seeking"]) video.addEventListener(name, fill);
  await fill();
}
