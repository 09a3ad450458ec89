// Small pictures above the time line: from the asset's image tiles, or from its sprites' WebVTT.

const CANVAS = "film-thumbnail";

export class Thumbnails {
  #sheets = new Map();
  #wanted = 0;

  constructor(player) {
    this.player = player;
    this.canvas = document.getElementById(CANVAS);
    this.hide();
  }

  hide() {
    this.#wanted += 1;
    this.canvas.hidden = true;
  }

  // Show what is seen at a second, above the place that is so far along the line (0 to 1).
  async show(seconds, share) {
    const wanted = (this.#wanted += 1);
    const track = this.player.getImageTracks()[0];
    const found = track && (await this.player.getThumbnails(track.id, seconds).catch(() => null));
    if (!found) return;
    const sheet = await this.#sheet(found.uris[0]).catch(() => null);
    if (!sheet || wanted !== this.#wanted) return;
    const { canvas } = this;
    canvas.width = found.width || sheet.naturalWidth;
    canvas.height = found.height || sheet.naturalHeight;
    const { width, height } = canvas;
    const from = [found.positionX, found.positionY];
    canvas.getContext("2d").drawImage(sheet, ...from, width, height, 0, 0, width, height);
    canvas.dataset.seconds = seconds;
    canvas.hidden = false;
    const room = canvas.parentElement.clientWidth;
    const left = Math.min(Math.max(0, share * room - width / 2), Math.max(0, room - width));
    canvas.style.left = `${left}px`;
  }

  #sheet(url) {
    if (!this.#sheets.has(url)) {
      const image = new Image();
      image.src = url;
      this.#sheets.set(
        url,
        image.decode().then(() => image),
      );
    }
    return this.#sheets.get(url);
  }
}
