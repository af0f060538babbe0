/* The two ends of a comparison, over loopback.
 *
 *   peers floor PORT                                  an echo server that does nothing else: the least Linux charges
 *   peers load PORT CONNECTIONS MESSAGES REPLY TEXT   sends TEXT and waits for REPLY bytes, MESSAGES times in all
 *
 * The floor parses nothing, times nothing out and gives up on a peer that does not read: a limit, not a server. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 512
#define CONNECTIONS_MAX 65536

static char buffer[65536];
static struct epoll_event events[EVENTS];

static void die(const char *what)
{
    fprintf(stderr, "peers: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void watch(int epoll, int fd)
{
    int one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static void serve(int epoll, int port)
{
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in here = loopback(port);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096)) die("listen");
    watch(epoll, listener);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int client;
                while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) watch(epoll, client);
                continue;
            }
            ssize_t got = recv(fd, buffer, sizeof buffer, 0);
            if (got <= 0 || send(fd, buffer, (size_t)got, 0) != got) close(fd);
        }
    }
}

static int load(int epoll, int port, int connections, long messages, int reply, const char *text)
{
    static int missing[CONNECTIONS_MAX]; /* bytes of the reply still to come, by descriptor */
    static int fds[CONNECTIONS_MAX];
    struct sockaddr_in there = loopback(port);
    size_t length = strlen(text);
    long sent = 0, done = 0;
    for (int i = 0; i < connections; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (fds[i] < 0 || fds[i] >= CONNECTIONS_MAX) die("socket");
        if (connect(fds[i], (struct sockaddr *)&there, sizeof there)) die("connect");
        watch(epoll, fds[i]);
    }
    for (int i = 0; i < connections && sent < messages; i++, sent++) {
        missing[fds[i]] = reply;
        if (send(fds[i], text, length, 0) != (ssize_t)length) die("send");
    }
    while (done < messages) {
        int n = epoll_wait(epoll, events, EVENTS, 5000);
        if (n <= 0) die("no reply for 5 s");
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            ssize_t got = recv(fd, buffer, sizeof buffer, 0);
            if (got <= 0) die("a connection ended");
            missing[fd] -= (int)got;
            if (missing[fd] > 0) continue;
            done++;
            if (sent >= messages) continue;
            sent++;
            missing[fd] = reply;
            if (send(fd, text, length, 0) != (ssize_t)length) die("send");
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    int epoll = epoll_create1(0);
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && !strcmp(argv[1], "floor")) serve(epoll, atoi(argv[2]));
    else if (argc == 7 && !strcmp(argv[1], "load"))
        return load(epoll, atoi(argv[2]), atoi(argv[3]), atol(argv[4]), atoi(argv[5]), argv[6]);
    fprintf(stderr, "usage: peers floor PORT | peers load PORT CONNECTIONS MESSAGES REPLY TEXT\n");
    return 64;
}
