// The event stream of the server, reconnected for ever. It begins with how things stand, so reconnecting needs nothing else.

const WAITS = [500, 1000, 2000, 4000]; // milliseconds between tries; a server that restarts is found soon
const LOOK_MS = 5000; // between two looks at the clock
const SLEPT_MS = 90_000; // a look that comes so late: the machine slept, and its connections died without telling

// Tells `take` of {type: "begin"} before the first event of each connection, of {type: "lost"} when a second try has
// failed, and of every event between. Returns what connects anew, what ends it, and what does not wait for the next try.
export function follow(address, take) {
  let source = null;
  let failures = 0;
  let timer = null;
  let watch = null;

  function open() {
    close();
    let looked = Date.now();
    watch = setInterval(() => {
      if (Date.now() - looked > SLEPT_MS) open();
      looked = Date.now();
    }, LOOK_MS);
    source = new EventSource(address);
    let fresh = true;
    source.onmessage = ({ data }) => {
      if (fresh) take({ type: "begin" });
      if (fresh) failures = 0;
      fresh = false;
      take(JSON.parse(data));
    };
    source.onerror = () => {
      // Its own way of reconnecting gives up for good at some errors, a server that is just starting among them.
      source.close();
      if (failures) take({ type: "lost" });
      timer = setTimeout(open, WAITS[Math.min(failures++, WAITS.length - 1)]);
    };
  }

  function close() {
    clearTimeout(timer);
    clearInterval(watch);
    timer = null;
    source?.close();
  }

  open();
  return { open, close, hurry: () => timer !== null && open() };
}
