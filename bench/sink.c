/* The receiver of the bench: answers POSTs for as little CPU as there can be. One thread, epoll, no allocation
 * beyond a buffer for each connection.
 *
 *     sink FD...     listening sockets that the starter opened
 *
 * The first word of the path says how a request is answered:
 *     /now/...       at once
 *     /in/MS/...     after that many milliseconds
 *     /close/...     at once, and the connection is closed
 *     /never/...     not at all
 *     /counts        with the numbers of answers and of connections so far
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

enum { ROOM = 64 * 1024, EVENTS = 256 };

#define HEADERS "Server: sink\r\nDate: Sun, 01 Mar 2026 12:00:00 GMT\r\nContent-Type: application/json\r\n"
static const char KEPT[] = "HTTP/1.1 200 OK\r\n" HEADERS "Content-Length: 11\r\n\r\n{\"ok\":true}";
static const char CLOSED[] = "HTTP/1.1 200 OK\r\n" HEADERS "Content-Length: 11\r\nConnection: close\r\n\r\n{\"ok\":true}";

/* A connection, or a listening socket. One that waits for its time is in the list of `due`. */
struct peer {
    int fd, is_listener;
    size_t length;
    long long due;
    struct peer *before, *after;
    char *buffer;
};

static struct peer waiting = {.before = &waiting, .after = &waiting};
static int epoll;
static unsigned long long answered, accepted;

static long long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void unlink_waiting(struct peer *peer) {
    if (!peer->after) return;
    peer->before->after = peer->after;
    peer->after->before = peer->before;
    peer->before = peer->after = NULL;
}

static void end(struct peer *peer) {
    unlink_waiting(peer);
    close(peer->fd);
    free(peer->buffer);
    free(peer);
}

/* The answers are small: one that does not fit into the socket's buffer is for somebody who does not read. */
static int say(struct peer *peer, const char *text, size_t length) {
    return send(peer->fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static int answer(struct peer *peer) {
    answered++;
    return say(peer, KEPT, sizeof KEPT - 1);
}

/* Keeps the list in order of time. Delays are mostly equal, so the place is mostly the end. */
static void wait_until(struct peer *peer, long long due) {
    struct peer *place = waiting.before;
    while (place != &waiting && place->due > due) place = place->before;
    peer->due = due;
    peer->before = place;
    peer->after = place->after;
    place->after->before = peer;
    place->after = peer;
}

static int starts(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

/* Returns 0 if the connection is to be closed. */
static int handle(struct peer *peer, const char *path) {
    if (starts(path, "/now/")) return answer(peer);
    if (starts(path, "/in/")) return wait_until(peer, now_ms() + atoll(path + 4)), 1;
    if (starts(path, "/never/")) return 1;
    if (starts(path, "/close/")) return answered++, say(peer, CLOSED, sizeof CLOSED - 1), 0;
    if (starts(path, "/counts")) {
        char body[64], text[128];
        int length = snprintf(body, sizeof body, "%llu %llu", answered, accepted);
        length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body);
        return say(peer, text, length);
    }
    return 0;
}

/* Handles each whole request in the buffer and keeps the rest. Returns 0 if the connection is to be closed. */
static int handle_all(struct peer *peer) {
    for (;;) {
        peer->buffer[peer->length] = 0;
        char *head_end = strstr(peer->buffer, "\r\n\r\n");
        if (!head_end) return peer->length < ROOM;
        char *field = strcasestr(peer->buffer, "\r\ncontent-length:");
        size_t body = field && field < head_end ? strtoul(field + 17, NULL, 10) : 0;
        size_t whole = head_end + 4 - peer->buffer + body;
        if (whole > ROOM) return 0;
        if (peer->length < whole) return 1;
        char *path = strchr(peer->buffer, ' ');
        if (!path || path > head_end || !handle(peer, path + 1)) return 0;
        peer->length -= whole;
        memmove(peer->buffer, peer->buffer + whole, peer->length);
    }
}

static void read_from(struct peer *peer) {
    ssize_t got = recv(peer->fd, peer->buffer + peer->length, ROOM - peer->length, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return end(peer);
    peer->length += got;
    if (!handle_all(peer)) end(peer);
}

static void watch(int fd, int is_listener) {
    struct peer *peer = calloc(1, sizeof *peer);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    peer->fd = fd;
    peer->is_listener = is_listener;
    if (!is_listener) peer->buffer = malloc(ROOM + 1);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) perror("epoll_ctl"), exit(1);
}

static void accept_from(struct peer *listener) {
    int one = 1, fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    accepted++;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(fd, 0);
}

/* Milliseconds until somebody's time comes, or -1. */
static int patience(void) {
    if (waiting.after == &waiting) return -1;
    long long left = waiting.after->due - now_ms();
    return left < 0 ? 0 : (int)left;
}

static void answer_due(void) {
    for (struct peer *peer; (peer = waiting.after) != &waiting && peer->due <= now_ms();) {
        unlink_waiting(peer);
        if (!answer(peer)) end(peer);
    }
}

int main(int count, char **fds) {
    struct epoll_event events[EVENTS];
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    epoll = epoll_create1(0);
    for (int i = 1; i < count; i++) {
        int fd = atoi(fds[i]);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        watch(fd, 1);
    }
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, patience());
        for (int i = 0; i < ready; i++) {
            struct peer *peer = events[i].data.ptr;
            peer->is_listener ? accept_from(peer) : read_from(peer);
        }
        answer_due();
    }
}
