// A viewer without eyes: plays a stream to its end in hls.js or dash.js, and tells what became of it.

"use strict";

const film = document.querySelector("video");
const seen = { errors: [], fatal: [], rungs: [], waits: 0 };

const ranges = () => Array.from({ length: film.buffered.length }, (_, one) => [film.buffered.start(one), film.buffered.end(one)]);

// Everything that was loaded stays in the buffer, so that one range in the end means that no part was missing.
function byHls(url, ahead, begin) {
  const hls = new Hls({ backBufferLength: Infinity, maxBufferLength: ahead, maxMaxBufferLength: ahead, startLevel: -1, startPosition: begin });
  hls.on(Hls.Events.ERROR, (_, { type, details, fatal, response }) => {
    (fatal ? seen.fatal : seen.errors).push([type, details, response?.code ?? ""].join(" "));
  });
  hls.on(Hls.Events.FRAG_CHANGED, (_, { frag }) => seen.rungs.push(hls.levels[frag.level].url[0].split("/").at(-2)));
  hls.loadSource(url);
  hls.attachMedia(film);
  return {
    ready: new Promise((resolve) => hls.on(Hls.Events.MANIFEST_PARSED, resolve)),
    // The other two ways to choose throw away what is buffered.
    choose: (level) => (hls.loadLevel = level),
    names: () => hls.levels.map((level) => level.url[0].split("/").at(-2)),
    tracks: () => ({ sound: hls.audioTracks.map(({ lang, name }) => [lang, name]), words: hls.subtitleTracks.map(({ lang, name }) => [lang, name]) }),
    speak: (track) => (hls.audioTrack = track),
    read: (track) => ((hls.subtitleDisplay = true), (hls.subtitleTrack = track)),
  };
}

function byDash(url, ahead, begin, auto) {
  const dash = dashjs.MediaPlayer().create();
  dash.updateSettings({
    debug: { logLevel: 0 },
    streaming: {
      // Who stumbles shortly before the end is taken to the end by dash.js, and from there, once the film is over, back by this.
      seekDurationBackoff: 0,
      buffer: { bufferToKeep: 1000, bufferPruningInterval: 1000, bufferTimeDefault: ahead, bufferTimeAtTopQuality: ahead, bufferTimeAtTopQualityLongForm: ahead },
      abr: { autoSwitchBitrate: { video: auto } },
    },
  });
  dash.on("error", ({ error }) => seen.fatal.push(`${error.code} ${error.message}`));
  dash.on("qualityChangeRendered", ({ mediaType, newRepresentation }) => mediaType === "video" && seen.rungs.push(newRepresentation.id));
  dash.initialize(film, url, false, begin);
  return {
    ready: new Promise((resolve) => dash.on("streamInitialized", resolve)),
    choose: (level) => dash.setRepresentationForTypeByIndex("video", level),
    names: () => dash.getRepresentationsByType("video").map(({ id }) => id),
    tracks: () => ({ sound: dash.getTracksFor("audio").map(({ lang }) => [lang]), words: dash.getTracksFor("text").map(({ lang }) => [lang]) }),
    speak: (track) => dash.setCurrentTrack(dash.getTracksFor("audio")[track]),
    read: (track) => dash.setTextTrack(track),
  };
}

const until = (event) => new Promise((resolve) => film.addEventListener(event, resolve, { once: true }));

async function reached(seconds) {
  while (film.currentTime < seconds && !film.ended && !seen.fatal.length) await until("timeupdate");
}

// Play `url` from `begin` on a rung, or on those that the player chooses; `acts` are [moment, what, value]: at that moment
// seek there, or go on with the rung of that name. It is over after `patience` milliseconds, whatever it waits for.
async function view({ player, url, rung, speed, ahead, begin, acts, patience }) {
  film.addEventListener("waiting", () => (seen.waits += 1));
  film.addEventListener("error", () => seen.fatal.push(film.error.message));
  film.muted = true;
  const auto = !rung && !acts.some(([, what]) => what === "choose");
  const viewer = player === "hls" ? byHls(url, ahead, begin) : byDash(url, ahead, begin, auto);
  window.viewer = viewer;
  const began = performance.now();
  const failed = new Promise((resolve) => {
    const timer = setInterval(() => {
      if (performance.now() - began > patience) seen.fatal.push(`not over after ${patience / 1000} seconds`);
      if (!seen.fatal.length) return;
      clearInterval(timer);
      resolve();
    }, 100);
  });
  await Promise.race([viewer.ready, failed]);
  if (!seen.fatal.length) {
    seen.names = viewer.names();
    seen.tracks = viewer.tracks();
    const choose = (name) => viewer.choose(viewer.names().indexOf(name));
    if (rung) choose(rung);
    film.play().catch((error) => seen.errors.push(String(error)));
    film.playbackRate = film.defaultPlaybackRate = speed;
    for (const [moment, what, value] of acts) {
      await Promise.race([reached(moment), failed]);
      if (seen.fatal.length) break;
      if (what === "seek") {
        film.currentTime = value;
        film.play().catch((error) => seen.errors.push(String(error))); // who was at the end stands still
      }
      if (what === "choose") choose(value);
      if (what in viewer && what !== "choose") viewer[what](value);
    }
    // By the state and not by the event, which comes before a player has set the film's length anew, and not again.
    while (!film.ended && !seen.fatal.length) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { totalVideoFrames, droppedVideoFrames } = film.getVideoPlaybackQuality();
  const { ended, currentTime, readyState, duration } = film;
  return { ...seen, ended, at: currentTime, ready: readyState, length: duration, ranges: ranges(), frames: totalVideoFrames, dropped: droppedVideoFrames };
}
