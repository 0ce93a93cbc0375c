/** How far an upload is, counted over parts that may be under way side by side, or again. */

import type { Progress } from "./model.ts";

/** Counts the bytes of one upload. */
export class Meter {
  private readonly total: number;
  private readonly report: ((progress: Progress) => void) | undefined;
  private readonly sent = new Map<number, number>();

  constructor(total: number, report?: (progress: Progress) => void) {
    this.total = total;
    this.report = report;
  }

  /** Returns what is told how many bytes of the part at `offset` have left. */
  part(offset: number, length: number): (bytes: number) => void {
    return (bytes) => {
      this.sent.set(offset, Math.min(bytes, length)); // what a browser counts may hold more than the file
      this.tell("sending");
    };
  }

  /** Notes that the server has all bytes. */
  processing(): void {
    this.all("processing");
  }

  done(): void {
    this.all("done");
  }

  private all(phase: Progress["phase"]): void {
    this.sent.clear();
    this.sent.set(0, this.total);
    this.tell(phase);
  }

  private tell(phase: Progress["phase"]): void {
    let sent = 0;
    for (const bytes of this.sent.values()) sent += bytes;
    this.report?.({ sent, total: this.total, phase });
  }
}
