// One face for three players.
//
// Each opener takes (video, url, report, {fromStart, bufferSeconds, clearKeys}), keys by their ids for
// shaka-player alone, and gives, once the manifest is known:
//   renditions   [{id, width, height}], what a viewer could choose from
//   select(id)   play this rendition from now on, dropping what is buffered of another
//   active()     the id of the rendition in force
//   prefer(id)   hls.js only: go over to this rendition with the next segment
//   texts()      [{id, language, label, forced}], the subtitles a viewer could choose from
//   read(id)     show these subtitles from now on
//   thumbnail(t) {url, x, y, width, height} of the thumbnail at a second; not hls.js, which has none
//   hurry(rate)  shaka-player only: search at this speed
//   offered()    shaka-player only: {sounds, texts}, as the player tells of them
// and calls report({fatal, detail}) for every error the player names.

/* global Hls, shaka, dashjs */

async function openHls(video, url, report) {
  const player = new Hls({ autoStartLoad: true, startLevel: 0 });
  player.on(Hls.Events.ERROR, (_, error) =>
    report({ fatal: error.fatal, detail: error.details }),
  );
  const parsed = new Promise((resolve) => player.once(Hls.Events.MANIFEST_PARSED, resolve));
  player.loadSource(url);
  player.attachMedia(video);
  await parsed;
  return {
    renditions: player.levels.map(({ width, height }, id) => ({ id, width, height })),
    select: (id) => {
      player.currentLevel = id;
    },
    active: () => player.currentLevel,
    prefer: (id) => {
      player.loadLevel = id;
    },
    texts: () =>
      player.subtitleTracks.map(({ id, lang, name, forced }) => ({
        id,
        language: lang ?? "und",
        label: name,
        forced,
      })),
    read: (id) => {
      player.subtitleTrack = id;
      player.subtitleDisplay = true;
    },
  };
}

async function openShaka(video, url, report, options = {}) {
  const { fromStart, bufferSeconds, clearKeys = {} } = options;
  const player = new shaka.Player();
  player.addEventListener("error", ({ detail }) =>
    report({
      fatal: detail.severity === shaka.util.Error.Severity.CRITICAL,
      detail: `${detail.code}`,
    }),
  );
  await player.attach(video);
  player.configure({ abr: { enabled: false }, drm: { clearKeys } });
  if (bufferSeconds) {
    player.configure("streaming.bufferingGoal", bufferSeconds);
  }
  await player.load(url, fromStart ? 0 : null);
  // Of HLS it learns when texts are due from pictures that come after it was asked for one.
  player.selectTextTrack(player.getTextTracks()[0] ?? null);
  player.selectTextTrack(null);
  const active = () => player.getVariantTracks().find((track) => track.active);
  const { audioId } = active();
  return {
    renditions: player
      .getVariantTracks()
      .filter((track) => track.audioId === audioId)
      .map(({ videoId, width, height }) => ({ id: videoId, width, height })),
    select: (id) => {
      const wanted = (track) => track.videoId === id && track.audioId === audioId;
      player.selectVariantTrack(player.getVariantTracks().find(wanted), true);
    },
    active: () => active().videoId,
    texts: () =>
      player
        .getTextTracks()
        .map(({ id, language, label, forced }) => ({ id, language, label, forced })),
    read: (id) => {
      player.selectTextTrack(null); // the one in force is not shown by being chosen again
      player.selectTextTrack(player.getTextTracks().find((track) => track.id === id));
    },
    thumbnail: async (seconds) => {
      const [{ id }] = player.getImageTracks();
      const found = await player.getThumbnails(id, seconds);
      const { uris, positionX: x, positionY: y, width, height } = found;
      return { url: uris[0], x, y, width, height };
    },
    hurry: (rate) => player.trickPlay(rate),
    offered: () => ({
      sounds: player.getAudioTracks(),
      texts: player.getTextTracks(),
    }),
  };
}

async function openDash(video, url, report, { fromStart } = {}) {
  const player = dashjs.MediaPlayer().create();
  const { events } = dashjs.MediaPlayer;
  player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
  player.on(events.ERROR, ({ error }) =>
    report({ fatal: true, detail: `${error.code} ${error.message}` }),
  );
  player.on(events.PLAYBACK_ERROR, ({ error }) =>
    report({ fatal: true, detail: `playback ${error?.code} ${error?.message}` }),
  );
  const ready = new Promise((resolve) => player.on(events.STREAM_INITIALIZED, resolve));
  player.initialize(video, fromStart ? `${url}#t=0` : url, false);
  await ready;
  return {
    renditions: player
      .getRepresentationsByType("video")
      .map(({ id, width, height }) => ({ id, width, height })),
    select: (id) => player.setRepresentationForTypeById("video", id, true),
    active: () => player.getCurrentRepresentationForType("video")?.id,
    texts: () =>
      player.getTracksFor("text").map(({ lang, labels, roles }, id) => ({
        id,
        language: lang,
        label: labels[0]?.text,
        forced: roles.some(({ value }) => value === "forced-subtitle"),
      })),
    read: (id) => player.setTextTrack(id),
    thumbnail: (seconds) =>
      new Promise((resolve) =>
        player.provideThumbnail(seconds, ({ url, x, y, width, height }) =>
          resolve({ url, x, y, width, height }),
        ),
      ),
  };
}

export const players = {
  "hls.js": openHls,
  "shaka-player": openShaka,
  "shaka-player-hls": openShaka,
  "dash.js": openDash,
};
