/** First in, first out, on a ring that doubles when it is full and shrinks when it runs empty. Bounds are its user's matter. */
export class RingQueue<Item> {
  #slots: (Item | undefined)[] = new Array(SMALLEST).fill(undefined);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: Item): void {
    if (this.#length === this.#slots.length) this.#resize(this.#slots.length * 2);
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = item;
    this.#length++;
  }

  peek(): Item | undefined {
    return this.#slots[this.#head];
  }

  shift(): Item | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length--;
    if (this.#length === 0 && this.#slots.length > LARGEST_IDLE) this.#resize(SMALLEST);
    return item;
  }

  /** Keeps the items for which `keep` holds, in their order. */
  retain(keep: (item: Item) => boolean): void {
    for (let left = this.#length; left > 0; left--) {
      const item = this.shift() as Item;
      if (keep(item)) this.push(item);
    }
  }

  #resize(size: number): void {
    const slots: (Item | undefined)[] = new Array(size).fill(undefined);
    for (let index = 0; index < this.#length; index++) slots[index] = this.#slots[(this.#head + index) & (this.#slots.length - 1)];
    this.#slots = slots;
    this.#head = 0;
  }
}

/** Powers of two, so that an index wraps with a mask. */
const SMALLEST = 8;
const LARGEST_IDLE = 64;
