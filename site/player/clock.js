// Play -> frames at a pace that tells a story: quick where nothing happens, slow where something does.

const QUIET = 130;
const NOTABLE = 1700;
const SHORTEST = 16;
export const SPEEDS = [0.5, 1, 2, 4, 16, 64];

/** Calls `advance(frames)` from `first()` to `last()`; `notable(frame)` says where to dwell. */
export class Clock {
  constructor({ notable, frame, first, last, advance, changed }) {
    Object.assign(this, { notable, frame, first, last, advance, changed });
    this.speed = 1;
    this.playing = false;
    this.request = 0;
  }

  toggle() {
    if (this.playing) this.stop();
    else this.start();
  }

  start() {
    if (this.last() <= this.first()) return;
    // At the end, play begins again.
    if (this.frame() >= this.last()) this.advance(this.first() - this.frame());
    this.playing = true;
    this.due = performance.now() + this.wait();
    this.request = requestAnimationFrame((now) => this.tick(now));
    this.changed();
  }

  stop() {
    cancelAnimationFrame(this.request);
    if (!this.playing) return;
    this.playing = false;
    this.changed();
  }

  wait() {
    return (this.notable(this.frame()) ? NOTABLE : QUIET) / this.speed;
  }

  tick(now) {
    if (!this.playing) return;
    if (now >= this.due) {
      const wait = this.wait();
      // Faster than the screen: several frames at once, but never past an event unseen.
      this.advance(wait >= SHORTEST ? 1 : Math.max(1, Math.round(SHORTEST / wait)));
      this.due = now + this.wait();
      if (this.frame() >= this.last()) {
        this.stop();
        return;
      }
    }
    this.request = requestAnimationFrame((next) => this.tick(next));
  }
}
