/* Well-behaved clients with a stopwatch, and a flood. See the script of this name.
 *
 *   hostile paced ADDRESS PORT CLIENTS SECONDS TEXT    each client: connect, send TEXT, read the reply, close, rest
 *   hostile flood ADDRESS PORT SECONDS                 from 127.0.0.2: connect and close, as fast as it goes
 *
 * A reply is over at its end or, for echo, once as much came as was sent. Prints exchanges, failures, and the 50th
 * and 99th percentile and the longest of the times in microseconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TIMES_MAX 1000000
#define REST_US 40000

static struct sockaddr_in there;
static const char *text;
static double until;
static double times[TIMES_MAX];
static int count, failures;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int open_from(const char *address)
{
    struct timeval patience = {.tv_sec = 5};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (address) {
        inet_pton(AF_INET, address, &here.sin_addr);
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&here, sizeof here)) perror("bind");
    }
    if (!connect(fd, (struct sockaddr *)&there, sizeof there)) return fd;
    close(fd);
    return -1;
}

/* One exchange; 0 is success. */
static int exchange(void)
{
    char reply[65536];
    size_t length = strlen(text), got = 0;
    int echo = !strchr(text, '\n'), fd = open_from(NULL);
    if (fd < 0) return 1;
    ssize_t n = send(fd, text, length, 0) == (ssize_t)length ? 1 : -1;
    while (n > 0 && !(echo && got >= length)) {
        n = recv(fd, reply, sizeof reply, 0);
        if (n > 0) got += (size_t)n;
    }
    close(fd);
    return n < 0 || (echo ? got != length : got == 0);
}

static void *client(void *seed)
{
    unsigned random = (unsigned)(size_t)seed;
    while (now() < until) {
        /* Each at its own pace, so that they do not wait for one another. */
        usleep(REST_US / 2 + (unsigned)rand_r(&random) % REST_US);
        double began = now();
        int failed = exchange();
        double took = now() - began;
        pthread_mutex_lock(&lock);
        if (failed) failures++;
        /* One that failed took at least so long. */
        if (count < TIMES_MAX) times[count++] = took;
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int paced(int clients)
{
    pthread_t threads[256];
    for (int i = 0; i < clients && i < 256; i++) pthread_create(&threads[i], NULL, client, (void *)(size_t)i);
    for (int i = 0; i < clients && i < 256; i++) pthread_join(threads[i], NULL);
    qsort(times, (size_t)count, sizeof *times, by_time);
    if (!count) return 1;
    printf("%d %d %.0f %.0f %.0f\n", count, failures, times[count / 2], times[count - 1 - count / 100],
           times[count - 1]);
    return 0;
}

static int flood(void)
{
    long tries = 0;
    for (; now() < until; tries++) {
        struct linger abort = {.l_onoff = 1};
        int fd = open_from("127.0.0.2");
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        close(fd);
    }
    printf("%ld\n", tries);
    return 0;
}

int main(int argc, char **argv)
{
    int pacing = argc == 7 && !strcmp(argv[1], "paced"), flooding = argc == 5 && !strcmp(argv[1], "flood");
    if (!pacing && !flooding) {
        fprintf(stderr, "usage: hostile paced ADDRESS PORT CLIENTS SECONDS TEXT | hostile flood ADDRESS PORT SECONDS\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    there.sin_family = AF_INET;
    inet_pton(AF_INET, argv[2], &there.sin_addr);
    there.sin_port = htons((unsigned short)atoi(argv[3]));
    until = now() + atof(argv[pacing ? 5 : 4]) * 1e6;
    if (flooding) return flood();
    text = argv[6];
    return paced(atoi(argv[4]));
}
