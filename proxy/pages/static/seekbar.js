// Where a film or a sound is, what of it is there already, and how it looks elsewhere.

import { by } from "./dom.js";

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const rest = `${Math.floor(whole / 60) % 60}`.padStart(2, "0") + ":" + `${whole % 60}`.padStart(2, "0");
  return whole >= 3600 ? `${Math.floor(whole / 3600)}:${rest}` : rest;
}

export class SeekBar {
  // `media` gives the element that plays now.
  constructor(media) {
    this.media = media;
    this.storyboard = null;
    by("position").addEventListener("input", (event) => (media().currentTime = Number(event.target.value)));
    by("seek").addEventListener("pointermove", (event) => this.#preview(event));
    by("seek").addEventListener("pointerleave", () => (by("preview").hidden = true));
  }

  show() {
    const { duration, currentTime, buffered } = this.media();
    const length = Number.isFinite(duration) ? duration : 0;
    by("position").max = length || 1;
    by("position").value = currentTime;
    by("position").setAttribute("aria-valuetext", clock(currentTime));
    by("clock").textContent = `${clock(currentTime)} / ${clock(length)}`;
    const canvas = by("buffered");
    const pen = canvas.getContext("2d");
    const across = (seconds) => (length ? (seconds / length) * canvas.width : 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = getComputedStyle(document.body).getPropertyValue("--good");
    for (let range = 0; range < buffered.length; range += 1) {
      const start = across(buffered.start(range));
      pen.fillRect(start, 0, across(buffered.end(range)) - start, canvas.height);
    }
    pen.fillStyle = getComputedStyle(document.body).getPropertyValue("--accent");
    pen.fillRect(across(currentTime) - 1.5, 0, 3, canvas.height);
    canvas.dataset.ranges = buffered.length;
  }

  #preview({ clientX }) {
    const { left, width } = by("seek").getBoundingClientRect();
    const { duration } = this.media();
    const share = Math.min(1, Math.max(0, (clientX - left) / width));
    if (!Number.isFinite(duration)) return;
    by("preview").hidden = false;
    by("thumb").hidden = !this.storyboard;
    this.storyboard?.show(by("thumb"), share * duration);
    by("moment").textContent = clock(share * duration);
    const half = by("preview").offsetWidth / 2;
    by("preview").style.left = `${Math.min(width - 2 * half, Math.max(0, share * width - half))}px`;
  }
}
