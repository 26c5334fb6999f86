// What happens in the run, newest first, also for those who hear the page.

const KEPT = 6;

export class Notices {
  /** `card`: shown once there is a notice; `list`: its live region. */
  constructor(card, list) {
    [this.card, this.list] = [card, list];
  }

  /** `kind`: as of an event: info, warning, lost, back, failed. */
  add(kind, text) {
    const item = document.createElement("li");
    item.className = kind;
    const time = document.createElement("time");
    const now = new Date();
    time.dateTime = now.toISOString();
    time.textContent = now.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
    const words = document.createElement("span");
    words.className = "text";
    words.textContent = text;
    item.append(time, words);
    this.list.prepend(item);
    while (this.list.children.length > KEPT) this.list.lastChild.remove();
    this.card.hidden = false;
  }
}
