"""The standard library's client."""

import email.utils
import gzip
import http.client
import os
import sys
import threading
import time

port, root = int(sys.argv[1]), sys.argv[2]
large = open(os.path.join(root, "large.bin"), "rb").read()


def ask(client, method, path, **fields):
    client.request(method, path, headers={name.replace("_", "-"): value for name, value in fields.items()})
    answer = client.getresponse()
    return answer, answer.read()


client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
for _ in range(50):
    answer, body = ask(client, "GET", "/1k.txt")
    assert (answer.status, len(body)) == (200, 1024)
    assert not answer.will_close
socket = client.sock
answer, body = ask(client, "GET", "/large.bin")
assert body == large
answer, body = ask(client, "HEAD", "/large.bin")
assert body == b"" and answer.getheader("Content-Length") == str(len(large))
answer, body = ask(client, "GET", "/page.txt", Accept_Encoding="gzip, br;q=0.5")
assert answer.getheader("Content-Encoding") == "gzip" and gzip.decompress(body) == b"zipped\n"
answer, body = ask(client, "GET", "/page.txt", Accept_Encoding="gzip;q=0")
assert answer.getheader("Content-Encoding") is None and body == b"plain\n"
answer, body = ask(client, "GET", "/large.bin", Range="bytes=5-14")
assert (answer.status, body, answer.getheader("Content-Range")) == (206, large[5:15], "bytes 5-14/3000000")
etag, modified = answer.getheader("ETag"), answer.getheader("Last-Modified")
assert email.utils.parsedate_to_datetime(modified).timestamp() <= time.time()
answer, body = ask(client, "GET", "/large.bin", Range="bytes=0-0", If_Range='"other"')
assert (answer.status, body) == (200, large)
answer, body = ask(client, "GET", "/large.bin", If_None_Match=etag)
assert (answer.status, body) == (304, b"")
answer, body = ask(client, "GET", "/none")
assert answer.status == 404
answer, body = ask(client, "OPTIONS", "/1k.txt")
assert answer.status == 204 and "GET" in answer.getheader("Allow")
answer, body = ask(client, "POST", "/1k.txt", Content_Length="0")
assert answer.status == 405
assert client.sock is socket, "one connection for all of it"


def many():
    mine = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for at in range(100):
        answer, body = ask(mine, "GET", "/large.bin", Range=f"bytes={at}-{at + 70000}")
        assert body == large[at : at + 70001]
    mine.close()


threads = [threading.Thread(target=many) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("all is well")
