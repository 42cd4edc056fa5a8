// Many requests and timers at once: what it gives depends on the order in which their ends reach it.
export const many = {
  async race(urls, pauses) {
    const order = [];
    const note = (name) => () => void order.push(name);
    const requests = urls.map((url) =>
      fetch(url)
        .then((answer) => answer.text())
        .then(note(url), note(`failed ${url}`)),
    );
    const timers = pauses.map((ms) =>
      new Promise((resolve) => setTimeout(resolve, ms)).then(note(`${ms} ms`)),
    );
    await Promise.all([...requests, ...timers]);
    return order;
  },
};
