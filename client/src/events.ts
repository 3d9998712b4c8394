/** An `EventTarget` with typed events. */

// Derived from `EventTarget`, because the DOM's types and Node's have different names for them.
type Listener = Parameters<EventTarget["addEventListener"]>[1];
type Options = Parameters<EventTarget["addEventListener"]>[2];
type RemoveOptions = Parameters<EventTarget["removeEventListener"]>[2];

export interface KnownEventTarget<Events> extends EventTarget {
  addEventListener<Type extends keyof Events>(
    type: Type,
    listener: (event: Events[Type]) => void,
    options?: Options,
  ): void;
  addEventListener(type: string, listener: Listener, options?: Options): void;
  removeEventListener<Type extends keyof Events>(
    type: Type,
    listener: (event: Events[Type]) => void,
    options?: RemoveOptions,
  ): void;
  removeEventListener(type: string, listener: Listener, options?: RemoveOptions): void;
}

/** The base class of an `EventTarget` with the events of `Events`. */
export function knownEventTarget<Events>(): new () => KnownEventTarget<Events> {
  return EventTarget as unknown as new () => KnownEventTarget<Events>;
}
