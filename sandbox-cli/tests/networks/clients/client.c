// Fetches each URL by plain HTTP and prints a line for it: what came, or the kind of error.
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *kind(int error) {
    switch (error) {
    case EACCES: return "access";
    case ECONNREFUSED: return "refused";
    case ECONNRESET: case EPIPE: return "reset";
    case ETIMEDOUT: case EAGAIN: return "timeout";
    default: return strerror(error);
    }
}

static int ask(int socket, const char *host, const char *port) {
    char text[1024];
    size_t length = 0;
    ssize_t got;
    const char *colon = strcmp(port, "80") ? ":" : "", *number = *colon ? port : "";
    int size = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s%s%s\r\n\r\n", host, colon, number);
    if (write(socket, text, size) != size) return errno;
    while ((got = read(socket, text + length, sizeof text - 1 - length)) > 0) length += got;
    if (got < 0) return errno;
    text[length] = 0;
    char *body = strstr(text, "\r\n\r\n");
    printf("ok %s\n", body ? body + 4 : "nothing");
    return 0;
}

static void get(char *url) {
    char *host = url + strlen("http://"), *port = "80", *end = strrchr(host, '/');
    if (end) *end = 0;
    if (*host == '[') {
        end = strchr(++host, ']');
        *end++ = 0;
    } else {
        end = strchr(host, ':');
    }
    if (end && *end == ':') *end = 0, port = end + 1;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL, *at;
    int error = getaddrinfo(host, port, &hints, &all), made = -1;
    if (error) {
        puts(error == EAI_NONAME ? "name" : gai_strerror(error));
        return;
    }
    for (at = all; at; at = at->ai_next) {
        struct timeval limit = {.tv_sec = 20};
        made = socket(at->ai_family, at->ai_socktype, at->ai_protocol);
        setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (connect(made, at->ai_addr, at->ai_addrlen) == 0) break;
        error = errno;
        close(made);
    }
    if (at) error = ask(made, host, port);
    if (error) puts(kind(error));
    freeaddrinfo(all);
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN);
    for (int at = 1; at < count; at++) get(words[at]);
}
