/** Types of the visitor counter's script; copy this file into a project that uses them. */

export type CounterMetric = "visits" | "views" | "visitors";

/** What the numbers are, and when they were read. */
export interface CounterMeta {
  metric: CounterMetric;
  unit: string;
  definition: string;
  time_zone: string;
  /** ISO number of the week's first day, 1 is Monday. */
  week_start: number;
  online_window_seconds: number;
  /** ISO 8601, with the offset of the site's time zone. */
  as_of: string;
  /** The service could not read newer numbers. */
  stale: boolean;
  accuracy: "exact" | "estimate";
}

export interface CounterNumbers {
  online: number;
  today: number;
  yesterday: number;
  week: number;
  month: number;
  total: number;
  /** Views of this page; not a number until they are known. */
  views?: number | string | null;
  meta: CounterMeta;
}

export interface Counter {
  /** Counts this page, or a path; the same one twice within a second counts once. Never rejects. */
  hit(path?: string): Promise<void>;
  /** Asks for the numbers anew, and for the views that the page lists. Never rejects. */
  refresh(): Promise<void>;
  /** Counts this browser no more on this site. */
  optOut(): void;
  /** Counts this browser again. */
  optIn(): void;
}

/** Dispatched on `document` as `counter` each time numbers came; `detail` holds the latest. */
export type CounterEvent = CustomEvent<CounterNumbers>;

export type CounterTheme = "plain" | "card" | "line" | "digits";

/** `<visitor-counter site theme scheme show lang title>` */
export interface VisitorCounterElement extends HTMLElement {}

declare global {
  interface Window {
    counter?: Counter;
  }
  interface DocumentEventMap {
    counter: CounterEvent;
  }
  interface HTMLElementTagNameMap {
    "visitor-counter": VisitorCounterElement;
  }
}
