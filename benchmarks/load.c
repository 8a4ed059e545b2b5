/* The client of benchmarks/echo.py: so many connections to an echo server, each sending a message, waiting for
 * all of it to come back, and sending the next.
 *
 *     load PORT CONNECTIONS SIZE SECONDS      prints messages a second
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

struct connection {
    int fd;
    size_t sent, received; /* of the message under way */
};

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

static void watch(int poller, struct connection *connection, int operation, size_t size)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (connection->sent < size)
        event.events |= EPOLLOUT;
    if (epoll_ctl(poller, operation, connection->fd, &event))
        fail("epoll_ctl");
}

static void send_rest(struct connection *connection, const char *message, size_t size)
{
    ssize_t sent = send(connection->fd, message + connection->sent, size - connection->sent,
                        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0)
        connection->sent += (size_t)sent;
    else if (errno != EAGAIN)
        fail("send");
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: load PORT CONNECTIONS SIZE SECONDS\n");
        return 2;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    int count = atoi(argv[2]);
    size_t size = (size_t)atol(argv[3]);
    double seconds = atof(argv[4]);
    int poller = epoll_create1(0);
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    char *message = malloc(size), *answer = malloc(size);
    if (poller < 0 || !connections || !message || !answer)
        fail("load");
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    memset(message, 'x', size);
    for (int i = 0; i < count; i++) {
        int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&to, sizeof to))
            fail("connect");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connections[i].fd = fd;
        send_rest(&connections[i], message, size);
        watch(poller, &connections[i], EPOLL_CTL_ADD, size);
    }
    unsigned long messages = 0;
    double begun = now(), until = begun + seconds;
    struct epoll_event events[256];
    while (now() < until) {
        int ready = epoll_wait(poller, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            size_t before = connection->sent;
            if (events[i].events & ~(unsigned)EPOLLOUT) {
                ssize_t got = recv(connection->fd, answer, size - connection->received, MSG_DONTWAIT);
                if (got == 0 || (got < 0 && errno != EAGAIN))
                    fail("recv");
                connection->received += got > 0 ? (size_t)got : 0;
                if (connection->received == size) {
                    messages++;
                    connection->received = connection->sent = 0;
                }
            }
            if (connection->sent < size)
                send_rest(connection, message, size);
            if ((before < size) != (connection->sent < size))
                watch(poller, connection, EPOLL_CTL_MOD, size);
        }
    }
    printf("%.0f\n", (double)messages / (now() - begun));
    return 0;
}
