/** An `EventTarget` whose events are known by name. */

type Listener = EventListenerOrEventListenerObject | null;

export interface KnownEventTarget<Events> extends EventTarget {
  addEventListener<Type extends keyof Events>(
    type: Type,
    listener: (event: Events[Type]) => void,
    options?: AddEventListenerOptions | boolean,
  ): void;
  addEventListener(
    type: string,
    listener: Listener,
    options?: AddEventListenerOptions | boolean,
  ): void;
  removeEventListener<Type extends keyof Events>(
    type: Type,
    listener: (event: Events[Type]) => void,
    options?: EventListenerOptions | boolean,
  ): void;
  removeEventListener(
    type: string,
    listener: Listener,
    options?: EventListenerOptions | boolean,
  ): void;
}

/** `EventTarget`, to be extended with the events that a class has. */
export function knownEventTarget<Events>(): new () => KnownEventTarget<Events> {
  return EventTarget as unknown as new () => KnownEventTarget<Events>;
}
