"""An echo client as anyone would write it: sends a megabyte in odd pieces, ends its direction, compares digests."""
import hashlib, random, socket, sys, threading

random.seed(5)
message = random.randbytes(1 << 20)
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as stream:
    def send():
        at = 0
        while at < len(message):
            piece = random.randrange(1, 9000)
            stream.sendall(message[at:at + piece])
            at += piece
        stream.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    digest = hashlib.sha256()
    while piece := stream.recv(5000):
        digest.update(piece)
    sender.join()
assert digest.digest() == hashlib.sha256(message).digest()
print("the same")
