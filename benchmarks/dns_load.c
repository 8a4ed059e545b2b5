/* The client of benchmarks/dns_server.py: queries over UDP, so many of them on their way at any time.
 *
 *     dns_load PORT WINDOW SECONDS < QUERIES      prints: responses a second, responses, queries lost, NOERROR
 *
 * QUERIES are messages with two octets of length before each, as over TCP; they are sent in their order, and
 * again from the first when all were sent. A query's ID is its number. A response counts if it is one, and has
 * the ID of a query that is on its way. What has no response after half a second is lost.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define LARGEST 1500
#define PATIENCE 0.5

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *doing)
{
    perror(doing);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: dns_load PORT WINDOW SECONDS < QUERIES\n");
        return 2;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    int window = atoi(argv[2]);
    double seconds = atof(argv[3]);
    size_t size = 0, room = 1 << 20;
    unsigned char *octets = malloc(room);
    for (size_t got; (got = fread(octets + size, 1, room - size, stdin)) > 0;) {
        size += got;
        if (size == room && !(octets = realloc(octets, room *= 2)))
            fail("realloc");
    }
    size_t count = 0;
    for (size_t at = 0; at + 2 <= size; at += 2 + (size_t)(octets[at] << 8 | octets[at + 1]))
        count++;
    if (!count || window < 1 || window > 32768) {
        fprintf(stderr, "dns_load: no queries, or a window that is none\n");
        return 2;
    }
    unsigned char **queries = malloc(count * sizeof *queries);
    size_t *sizes = malloc(count * sizeof *sizes), at = 0;
    for (size_t i = 0; i < count; i++) {
        sizes[i] = (size_t)(octets[at] << 8 | octets[at + 1]);
        queries[i] = octets + at + 2;
        at += 2 + sizes[i];
    }

    int fd = socket(AF_INET, SOCK_DGRAM, 0), buffer = 4 << 20;
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
        fail("connect");

    static unsigned char answers[BATCH][LARGEST], out[BATCH][LARGEST];
    static char waiting[65536];
    struct mmsghdr coming[BATCH], going[BATCH];
    struct iovec in[BATCH], sent[BATCH];
    memset(coming, 0, sizeof coming);
    memset(going, 0, sizeof going);
    for (int i = 0; i < BATCH; i++) {
        in[i] = (struct iovec){answers[i], LARGEST};
        coming[i].msg_hdr.msg_iov = &in[i];
        coming[i].msg_hdr.msg_iovlen = 1;
        sent[i].iov_base = out[i];
        going[i].msg_hdr.msg_iov = &sent[i];
        going[i].msg_hdr.msg_iovlen = 1;
    }
    unsigned long responses = 0, lost = 0, good = 0;
    unsigned number = 0;
    size_t next = 0;
    int under_way = 0;
    double begun = now(), until = begun + seconds, heard = begun;
    while (now() < until) {
        int batch = 0;
        while (batch < BATCH && under_way + batch < window) {
            if (sizes[next] <= LARGEST && !waiting[number & 0xFFFF]) {
                memcpy(out[batch], queries[next], sizes[next]);
                out[batch][0] = (unsigned char)(number >> 8);
                out[batch][1] = (unsigned char)number;
                sent[batch].iov_len = sizes[next];
                waiting[number & 0xFFFF] = 1;
                batch++;
            }
            number++;
            next = next + 1 == count ? 0 : next + 1;
        }
        for (int done = 0; done < batch;) {
            int n = sendmmsg(fd, going + done, (unsigned)(batch - done), 0);
            if (n < 0 && errno != EAGAIN && errno != ECONNREFUSED && errno != ENOBUFS)
                fail("sendmmsg");
            done += n > 0 ? n : 0;
        }
        under_way += batch;
        int got = recvmmsg(fd, coming, BATCH, MSG_DONTWAIT, NULL);
        if (got < 0 && errno != EAGAIN && errno != ECONNREFUSED)
            fail("recvmmsg");
        for (int i = 0; i < got; i++) {
            int id = answers[i][0] << 8 | answers[i][1];
            if (coming[i].msg_len < 12 || !(answers[i][2] & 0x80) || !waiting[id])
                continue;
            waiting[id] = 0;
            under_way--;
            responses++;
            good += !(answers[i][3] & 0x0F);
        }
        if (got > 0) {
            heard = now();
        } else if (under_way == window) {
            struct pollfd ready = {.fd = fd, .events = POLLIN};
            poll(&ready, 1, 100);
            if (now() - heard > PATIENCE) {
                lost += (unsigned long)under_way;
                under_way = 0;
                memset(waiting, 0, sizeof waiting);
                heard = now();
            }
        }
    }
    printf("%.0f %lu %lu %lu\n", (double)responses / (now() - begun), responses, lost, good);
    return 0;
}
