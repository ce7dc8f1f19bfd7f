#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A proxy in front of an API server that misbehaves on order: badproxy.py PORT CERT KEY UPSTREAM-PORT CONTROL-PORT

GET /MODE on the control port sets what it does from then on (several with +): none, errors (conflicts: 409, gone: 410, busy: 429 and broken: 5xx, which
can also be had one by one), lost (answers that never come back of requests that were carried out, and hang: requests that hang), halfclosed (watches that stay open and tell nothing),
slow (each watch late by a time of its own, so that kinds overtake each other), reordered (events of one watch swapped), stale
(every watch is 60 s behind), expired (401).
GET /counts tells how often each happened."""
import http.client
import http.server
import json
import random
import socketserver
import ssl
import sys
import threading
import time

PORT, CERT, KEY, UPSTREAM, CONTROL = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
modes, counts, lock = {"none"}, {}, threading.Lock()
chance = random.Random(1)
trust = ssl.create_default_context(cafile=CERT)
trust.check_hostname = False


def happened(what):
    with lock:
        counts[what] = counts.get(what, 0) + 1


class Drop(Exception):
    pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120
    wbufsize = 0

    def log_message(self, *args):
        pass

    def answer(self, code, reason, message, headers=()):
        body = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message,
                           "code": code}).encode()
        happened(str(code))
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def error(self, watch):
        """True: answered with one that the mode has."""
        write = self.command in ("PUT", "PATCH")
        kinds = {"conflicts": write, "gone": watch, "busy": True, "broken": True}
        may = [k for k in kinds if kinds[k] and (k in modes or "errors" in modes)]
        if not may:
            return False
        kind = "conflicts" if "errors" in modes and write and chance.random() < 0.4 else chance.choice(may)
        if kind == "conflicts":
            self.answer(409, "Conflict", "the object has been modified")
        elif kind == "gone":
            self.answer(410, "Expired", "too old resource version")
        elif kind == "busy":
            self.answer(429, "TooManyRequests", "slow down", [("Retry-After", "1")])
        else:
            self.answer(chance.choice([500, 502, 503, 504]), "Simulated", "simulated")
        return True

    def fault_before(self, watch):
        """True: answered, the server never heard of it."""
        if "expired" in modes:
            self.answer(401, "Unauthorized", "the token has expired")
            return True
        if chance.random() < 0.3 and self.error(watch):
            return True
        if ("lost" in modes or "hang" in modes) and chance.random() < (0.05 if "lost" in modes else 0.15):
            happened("hang")
            time.sleep(8)
            raise Drop()
        return False

    def forward(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        watch = "watch=" in self.path and "watch=false" not in self.path
        if self.fault_before(watch):
            return
        up = http.client.HTTPSConnection("127.0.0.1", UPSTREAM, context=trust, timeout=None if watch else 60)
        try:
            up.request(self.command, self.path, body, {k: v for k, v in self.headers.items()
                                                      if k.lower() not in ("host", "connection", "accept-encoding")})
            res = up.getresponse()
            if watch and res.status == 200:
                self.stream(up, res)
                return
            text = res.read()
            if "lost" in modes and chance.random() < 0.15:
                happened("lost " + self.command)
                raise Drop()
            self.send_response(res.status)
            for name, value in res.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        finally:
            up.close()

    def piece(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def stream(self, up, res):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        late = chance.uniform(0, 4)
        mute = False
        queue, wake, over = [], threading.Condition(), []

        def read():
            try:
                for line in res:
                    with wake:
                        queue.append((time.monotonic(), line))
                        wake.notify()
            except (OSError, ValueError, AttributeError, http.client.HTTPException):  # closed under it
                pass
            with wake:
                over.append(True)
                wake.notify()

        threading.Thread(target=read, daemon=True).start()
        while True:
            with wake:
                while not queue and not over:
                    wake.wait(5)
                if not queue:
                    break
                at, line = queue.pop(0)
                if "reordered" in modes and not queue:
                    wake.wait(0.2)
                if "reordered" in modes and queue and chance.random() < 0.5:
                    happened("swapped events")
                    (at, line), queue[0] = queue[0], (at, line)
            wait = 60 if "stale" in modes else late if "slow" in modes else 0
            while time.monotonic() < at + wait and ("stale" in modes or "slow" in modes):
                time.sleep(0.05)
            if "halfclosed" in modes and not mute and chance.random() < 0.1:
                mute = True
                happened("mute watch")
            if mute and "halfclosed" in modes:
                continue
            if mute:  # what it kept back can only be had by a new list
                raise Drop()
            if modes & {"errors", "gone"} and chance.random() < (0.03 if "errors" in modes else 0.2):
                happened("410 event")
                self.piece(json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired",
                                                                   "message": "too old resource version"}}).encode() + b"\n")
                break
            self.piece(line)
        self.wfile.write(b"0\r\n\r\n")

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (Drop, OSError, http.client.HTTPException):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward


class Control(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        global modes
        if self.path != "/counts":
            modes = set(self.path.strip("/").split("+"))
        body = json.dumps(counts).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, request, client_address):
        pass


control = Server(("127.0.0.1", CONTROL), Control)
threading.Thread(target=control.serve_forever, daemon=True).start()
own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
own.load_cert_chain(CERT, KEY)
front = Server(("127.0.0.1", PORT), Handler)
front.socket = own.wrap_socket(front.socket, server_side=True, do_handshake_on_connect=False)
front.serve_forever()
