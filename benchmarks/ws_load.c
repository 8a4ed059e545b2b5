/* The client of benchmarks/websocket.py: so many WebSockets to an echo server, each sending a message, waiting for
 * all of it to come back, and sending the next.
 *
 *     ws_load PORT CONNECTIONS SIZE SECONDS      prints "connected"; then messages, and messages a second
 *
 * Every answer is checked to be one unmasked binary frame of that size.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
static const unsigned char KEY[4] = {0x37, 0xfa, 0x21, 0x3d};

struct connection {
    int fd;
    size_t sent, received; /* of the frame under way */
    unsigned char head[10]; /* how the answer began */
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *doing)
{
    if (errno)
        perror(doing);
    else
        fprintf(stderr, "%s\n", doing);
    exit(1);
}

/* The header of a frame with one binary message; how long it is. */
static size_t header(unsigned char *at, size_t size, unsigned char mask)
{
    size_t length = 2;
    at[0] = 0x82;
    if (size < 126) {
        at[1] = mask | (unsigned char)size;
    } else {
        size_t octets = size < 65536 ? 2 : 8;
        at[1] = mask | (octets == 2 ? 126 : 127);
        for (size_t i = 0; i < octets; i++)
            at[2 + i] = (unsigned char)((unsigned long long)size >> 8 * (octets - 1 - i));
        length += octets;
    }
    return length;
}

static void watch(int poller, struct connection *connection, int operation, size_t size)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (connection->sent < size)
        event.events |= EPOLLOUT;
    if (epoll_ctl(poller, operation, connection->fd, &event))
        fail("epoll_ctl");
}

static void send_rest(struct connection *connection, const unsigned char *frame, size_t size)
{
    ssize_t sent = send(connection->fd, frame + connection->sent, size - connection->sent,
                        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0)
        connection->sent += (size_t)sent;
    else if (errno != EAGAIN)
        fail("send");
}

static void handshake(int fd)
{
    char answer[4096];
    size_t received = 0;
    if (send(fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL) != sizeof REQUEST - 1)
        fail("send");
    do {
        ssize_t got = recv(fd, answer + received, sizeof answer - received, 0);
        if (got <= 0)
            fail("the handshake");
        received += (size_t)got;
    } while (!memmem(answer, received, "\r\n\r\n", 4));
    if (received < 12 || memcmp(answer, "HTTP/1.1 101", 12))
        fail("the handshake was refused");
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: ws_load PORT CONNECTIONS SIZE SECONDS\n");
        return 2;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    int count = atoi(argv[2]);
    size_t payload = (size_t)atol(argv[3]);
    double seconds = atof(argv[4]);
    int poller = epoll_create1(0);
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    unsigned char *frame = malloc(payload + 14), *answer = malloc(payload + 14), expected[10];
    if (poller < 0 || !connections || !frame || !answer)
        fail("ws_load");
    size_t head = header(expected, payload, 0), size = header(frame, payload, 0x80);
    memcpy(frame + size, KEY, 4);
    size += 4;
    for (size_t i = 0; i < payload; i++)
        frame[size + i] = 'x' ^ KEY[i % 4];
    size += payload;
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    for (int i = 0; i < count; i++) {
        int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&to, sizeof to))
            fail("connect");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        handshake(fd);
        connections[i].fd = fd;
        send_rest(&connections[i], frame, size);
        watch(poller, &connections[i], EPOLL_CTL_ADD, size);
    }
    puts("connected");
    fflush(stdout);
    unsigned long messages = 0;
    double begun = now(), until = begun + seconds;
    struct epoll_event events[256];
    while (now() < until) {
        int ready = epoll_wait(poller, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            size_t before = connection->sent;
            if (events[i].events & ~(unsigned)EPOLLOUT) {
                ssize_t got = recv(connection->fd, answer, head + payload - connection->received, MSG_DONTWAIT);
                if (got == 0 || (got < 0 && errno != EAGAIN))
                    fail("recv");
                for (ssize_t j = 0; j < got && connection->received + (size_t)j < head; j++)
                    connection->head[connection->received + (size_t)j] = answer[j];
                connection->received += got > 0 ? (size_t)got : 0;
                if (connection->received == head + payload) {
                    errno = 0;
                    if (memcmp(connection->head, expected, head))
                        fail("the answer is another frame");
                    messages++;
                    connection->received = connection->sent = 0;
                }
            }
            if (connection->sent < size)
                send_rest(connection, frame, size);
            if ((before < size) != (connection->sent < size))
                watch(poller, connection, EPOLL_CTL_MOD, size);
        }
    }
    printf("%lu %.0f\n", messages, (double)messages / (now() - begun));
    return 0;
}
