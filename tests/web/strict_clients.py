"""httpx, a client as programs have it, and h11, which accepts nothing that the RFCs do not."""

import gzip
import json
import os
import socket
import sys

import h11
import httpx

port, root = int(sys.argv[1]), sys.argv[2]
large = open(os.path.join(root, "large.bin"), "rb").read()

with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, headers={"Accept-Encoding": "identity"}) as client:
    for _ in range(50):
        answer = client.get("/1k.txt")
        assert (answer.status_code, len(answer.content), answer.http_version) == (200, 1024, "HTTP/1.1")
    assert client.get("/large.bin").content == large
    assert client.get("/page.txt", headers={"Accept-Encoding": "gzip"}).text == "zipped\n"
    assert client.get("/large.bin", headers={"Range": "bytes=5-14"}).content == large[5:15]
    etag = client.head("/large.bin").headers["ETag"]
    assert client.get("/large.bin", headers={"If-None-Match": etag}).status_code == 304
    assert client.options("/1k.txt").status_code == 204
    assert client.post("/1k.txt", content=b"abc").status_code == 405
    assert client.post("/1k.txt", content=iter([b"a", b"bc"])).status_code == 405, "a body in chunks"
    assert client.get("/status").headers["Content-Type"] == "text/html; charset=utf-8"
    before = client.get("/status.json").json()
    assert {"200", "304", "405"} <= before["http_statuses"].keys() and len(before["listeners"]) == 1
    assert client.get("/metrics").text.endswith("\n")
    after = client.get("/status.json").json()
    assert after["http"]["http_requests"] == before["http"]["http_requests"] + 2
    assert after["counts"]["accepted"] == 1, "one connection for all of it"


def judged(wire, judge, method, path, fields=(), body=b""):
    """One answer as h11 sees it; it raises at whatever is not to the letter."""
    fields = [("Host", "box"), *fields] + ([("Content-Length", str(len(body)))] if body else [])
    out = judge.send(h11.Request(method=method, target=path, headers=fields))
    out += judge.send(h11.Data(data=body)) if body else b""
    wire.sendall(out + judge.send(h11.EndOfMessage()))
    answer, content = None, b""
    while type(event := judge.next_event()) is not h11.EndOfMessage:
        if event is h11.NEED_DATA:
            judge.receive_data(wire.recv(1000))
        elif type(event) is h11.Response:
            answer = event
        elif type(event) is h11.Data:
            content += bytes(event.data)
        else:
            assert type(event) is h11.InformationalResponse, event
    return answer, content


wire, judge = socket.create_connection(("127.0.0.1", port), 30), h11.Connection(h11.CLIENT)
for method, path, fields, body, status in [
    ("GET", "/1k.txt", [], b"", 200),
    ("HEAD", "/1k.txt", [], b"", 200),
    ("GET", "/none", [], b"", 404),
    ("GET", "/large.bin", [], b"", 200),
    ("GET", "/large.bin", [("Range", "bytes=7-")], b"", 206),
    ("GET", "/large.bin", [("Range", "bytes=3000000-")], b"", 416),
    ("GET", "/page.txt", [("Accept-Encoding", "gzip")], b"", 200),
    ("POST", "/page.txt", [("Expect", "100-continue")], b"abc", 405),
    ("OPTIONS", "/", [], b"", 204),
    ("GET", "/status", [], b"", 200),
    ("HEAD", "/status", [], b"", 200),
    ("GET", "/status.json", [], b"", 200),
    ("GET", "/metrics", [], b"", 200),
    ("GET", "/healthz", [], b"", 200),
    ("POST", "/healthz", [], b"abc", 405),
] * 2:
    answer, content = judged(wire, judge, method, path, fields, body)
    assert answer.status_code == status, (method, path, answer)
    fields = dict(answer.headers)
    if path == "/status.json":
        json.loads(content)
    if method == "HEAD":
        assert content == b""
    if fields.get(b"content-encoding") == b"gzip":
        assert gzip.decompress(content) == b"zipped\n"
    judge.start_next_cycle()

# The answer to HTTP/1.0 ends where the connection does, and the judge must agree.
for path in ["/status", "/metrics", "/status.json", "/healthz", "/1k.txt"]:
    wire, judge = socket.create_connection(("127.0.0.1", port), 30), h11.Connection(h11.CLIENT)
    judge.send(h11.Request(method="GET", target=path, headers=[("Host", "box")]))
    judge.send(h11.EndOfMessage())
    wire.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    while True:
        event = judge.next_event()
        if event is h11.NEED_DATA:
            judge.receive_data(wire.recv(1000))
        elif type(event) is h11.Response:
            assert b"transfer-encoding" not in dict(event.headers)
        elif type(event) is h11.EndOfMessage:
            break
    assert wire.recv(1000) == b""
print("all is well")
