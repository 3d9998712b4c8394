/** An `EventTarget` whose events are known by name. */

// Not by the names that the DOM's types have for them: Node's have others.
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

/** `EventTarget`, to be extended with the events that a class has. */
export function knownEventTarget<Events>(): new () => KnownEventTarget<Events> {
  return EventTarget as unknown as new () => KnownEventTarget<Events>;
}
