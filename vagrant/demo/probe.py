"""The client: asks for pages all the time, and tells how long they stayed away.

    probe.py PERIOD_MS NAME=ADDRESS...

Reads commands from standard input, one a line:

    mark        what counts begins now
    look NODE   one line for each name, then a dot:
                NAME GAP_MS STALL_MS AGE_MS BY PATH

GAP is the longest time without a page since the mark; that it still lasts counts as well. STALL is for how much of that the
page of NODE itself, at its own address, stayed away too: then it was the machines that had no time. AGE is how old the last
page is, BY who sent it, and PATH who sent the pages since the mark, in the order in which they were asked for (n1>n2>n1).

A page is asked for in every period, whatever became of those before, on a connection of its own. It needs nothing but
what Debian's python3-minimal has.
"""

import os
import selectors
import socket
import sys
import time
from collections import deque

# An answer that comes later is none. An emulated machine may take long for one, with nothing lost.
PATIENCE = 3.0
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


class Page:
    """One name's address, and the pages that came from it: (asked, arrived, by)."""

    def __init__(self, name, address):
        self.name = name
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.address = (address, 80)
        self.pages = []

    def forget(self):
        """All but the last page: what came before it counts no more."""
        del self.pages[:-1]

    def silences(self, since, now):
        """(from, to) between pages that follow each other; the last silence may still last."""
        edges = [arrived for _, arrived, _ in self.pages] + [now]
        if edges[0] > since:
            edges.insert(0, since)
        return list(zip(edges, edges[1:]))

    def path(self, since):
        """Who answered since then, each mentioned when it differs from the one before."""
        nodes = []
        for _, _, by in sorted(page for page in self.pages if page[0] >= since):
            if nodes[-1:] != [by]:
                nodes.append(by)
        return ">".join(nodes) or "-"


class Request:
    """A connection that is to bring one page."""

    def __init__(self, page, now):
        self.page = page
        self.asked = now
        self.answer = b""
        self.sent = False
        self.socket = socket.socket(page.family, socket.SOCK_STREAM)
        self.socket.setblocking(False)

    def start(self):
        """Whether there is something to wait for."""
        try:
            self.socket.connect(self.page.address)
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def go_on(self, now):
        """Does what can be done; true when it is over."""
        try:
            if not self.sent:
                self.socket.send(REQUEST)
                self.sent = True
                return False
            more = self.socket.recv(4096)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.answer += more
        if more:
            return False
        head, _, body = self.answer.partition(b"\r\n\r\n")
        if b" 200 " in head.split(b"\r\n")[0]:
            by = body.decode("ascii", "replace").strip() or "?"
            self.page.pages.append((self.asked, now, by))
        return True


class Probe:
    def __init__(self, period, pages):
        self.period = period
        self.pages = pages
        self.since = time.monotonic()
        self.requests = deque()
        self.heard = b""
        self.selector = selectors.DefaultSelector()

    def ask(self, now):
        for page in self.pages:
            request = Request(page, now)
            if request.start():
                self.selector.register(request.socket, selectors.EVENT_WRITE, request)
                self.requests.append(request)
            else:
                request.socket.close()

    def end(self, request):
        if request.socket.fileno() >= 0:
            self.selector.unregister(request.socket)
            request.socket.close()

    def give_up(self, now):
        while self.requests and self.requests[0].asked < now - PATIENCE:
            self.end(self.requests.popleft())

    def handle(self, request, now):
        if request.go_on(now):
            self.end(request)
        elif request.sent:
            self.selector.modify(request.socket, selectors.EVENT_READ, request)

    def listen(self):
        """Obeys the whole lines that have come; false at their end."""
        more = os.read(sys.stdin.fileno(), 4096)
        *lines, self.heard = (self.heard + more).split(b"\n")
        for line in lines:
            self.command(line.decode().split())
        return bool(more)

    def command(self, words):
        now = time.monotonic()
        if words[0] == "mark":
            self.since = now
            for page in self.pages:
                page.forget()
        elif words[0] == "look":
            node = next(page for page in self.pages if page.name == words[1])
            lines = [self.line(page, node, now) for page in self.pages]
            print("\n".join(lines + ["."]), flush=True)

    def line(self, page, node, now):
        begin, end = max(page.silences(self.since, now), key=lambda silence: silence[1] - silence[0])
        stall = max(min(end, b) - max(begin, a) for a, b in node.silences(self.since, now))
        # One page a period is no stall.
        stall = max(0, stall - self.period)
        _, arrived, by = page.pages[-1] if page.pages else (0, self.since, "-")
        numbers = [round(1000 * seconds) for seconds in (end - begin, stall, now - arrived)]
        return " ".join([page.name, *map(str, numbers), by, page.path(self.since)])

    def run(self):
        self.selector.register(sys.stdin, selectors.EVENT_READ, None)
        due = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= due:
                self.ask(now)
                # What was missed is not made up for.
                due = max(due + self.period, now)
            for key, _ in self.selector.select(max(0, due - time.monotonic())):
                if key.data is not None:
                    self.handle(key.data, time.monotonic())
                elif not self.listen():
                    return
            # After what has come, however long this machine took to get here.
            self.give_up(time.monotonic())


def main():
    period = int(sys.argv[1]) / 1000
    pages = [Page(*word.split("=", 1)) for word in sys.argv[2:]]
    Probe(period, pages).run()


main()
