/* HTTP/1.1 load on one core: keep-alive connections, closed or open loop, a health probe on a connection of its own.
 *
 * generator/__init__.py compiles and starts it, and reads the one JSON object it prints. A client written in Python
 * would reach its own limit before the servers reach theirs.
 *
 *   load PORT PATH SECONDS WARM_UP CONNECTIONS RATE TIMEOUT SLO_MS PROBE_PATH HEADERS BODY...
 *
 * RATE 0 is a closed loop: a connection asks again as soon as it was answered. Otherwise arrivals follow a Poisson
 * process of RATE per second whatever the server does, and latency counts from the arrival, so that time in our own
 * backlog is not forgotten. PROBE_PATH may be "-". HEADERS are whole header lines or empty. Bodies take turns.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 8192, PROBE_EVERY_MS = 20, CONNECTS_PER_MS = 4, READS = 512 };
enum state { CLOSED, CONNECTING, IDLE, WAITING };

typedef struct { char *bytes; size_t length; } Request;
typedef struct {
    int fd, is_probe, counted;
    enum state state;
    double since;          /* of the request: its arrival; of a connect: its begin */
    const Request *request;
    size_t sent, have;     /* bytes of the request written, of the head read */
    long body_left;        /* -1 while the head is incomplete */
    int status, closes;
    char head[HEAD_BYTES + 1];
} Connection;
typedef struct { double *values; size_t count, room; } Series;

static int epoll, port, bodies, next_body;
static double timeout_s, count_from, count_until;
static Request *requests, probe_request;
static Connection *connections, **idle; /* idle: a ring, so that every connection stays in use and none grows old */
static long pool, idle_first, idle_count, established;
static int open_loop, measuring;
static Series accepted, refused, expired, probes;
static long by_status[600], timeouts, failures, probe_failures, offered, unsent;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void add(Series *series, double value) {
    if (series->count == series->room) {
        series->room = series->room ? series->room * 2 : 4096;
        series->values = realloc(series->values, series->room * sizeof(double));
        if (!series->values) die("memory");
    }
    series->values[series->count++] = value;
}

static Request compose(const char *method, const char *path, const char *headers, const char *body, size_t length) {
    Request made;
    made.bytes = malloc(length + strlen(path) + strlen(headers) + 256);
    if (!made.bytes) die("memory");
    made.length = (size_t)sprintf(made.bytes,
                                  "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                                  "%sContent-Length: %zu\r\n\r\n",
                                  method, path, port, headers, length);
    memcpy(made.bytes + made.length, body, length);
    made.length += length;
    return made;
}

static Request from_file(const char *path, const char *headers, const char *name) {
    FILE *file = fopen(name, "rb");
    if (!file) die(name);
    fseek(file, 0, SEEK_END);
    long length = ftell(file);
    rewind(file);
    char *body = malloc((size_t)length + 1);
    if (!body || fread(body, 1, (size_t)length, file) != (size_t)length) die(name);
    fclose(file);
    Request made = compose("POST", path, headers, body, (size_t)length);
    free(body);
    return made;
}

static void begin_connect(Connection *c) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->state = CONNECTING;
    c->since = now();
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) die("connect");
    struct epoll_event want = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &want) < 0) die("epoll_ctl");
}

static void reconnect(Connection *c) {
    close(c->fd);
    begin_connect(c);
}

static void push_out(Connection *c) {
    while (c->sent < c->request->length) {
        ssize_t wrote = send(c->fd, c->request->bytes + c->sent, c->request->length - c->sent, MSG_NOSIGNAL);
        if (wrote <= 0) return; /* full: EPOLLOUT comes back; broken: EPOLLIN tells */
        c->sent += (size_t)wrote;
    }
}

static void ask(Connection *c, double arrival, int counted) {
    c->request = c->is_probe ? &probe_request : &requests[next_body];
    if (!c->is_probe) next_body = (next_body + 1) % bodies;
    c->state = WAITING;
    c->since = arrival;
    c->counted = counted;
    c->sent = c->have = 0;
    c->body_left = -1;
    push_out(c);
}

static void release(Connection *c) { /* connected and with nothing to do */
    c->state = IDLE;
    if (c->is_probe) return;
    if (!open_loop && measuring && now() < count_until) ask(c, now(), 0);
    else if (open_loop) idle[(idle_first + idle_count++) % pool] = c;
}

/* One request is over. In a closed loop it counts by its end, in an open one by its arrival. */
static int counts(const Connection *c, double at) {
    return open_loop ? c->counted : at >= count_from && at < count_until;
}

static void answered(Connection *c) {
    double at = now(), took = at - c->since;
    if (c->is_probe) {
        if (c->status != 200) probe_failures++;
        else if (at >= count_from) add(&probes, took);
    } else if (counts(c, at)) {
        by_status[c->status]++;
        if (c->status == 200) add(&accepted, took);
        if (c->status == 429) add(&refused, took);
        if (c->status == 504) add(&expired, took);
        if (!open_loop) offered++;
    }
    if (c->closes) reconnect(c);
    else release(c);
}

static void failed(Connection *c, long *kind) {
    if (c->is_probe) probe_failures++;
    else if (counts(c, now())) {
        ++*kind;
        if (!open_loop) offered++;
    }
    reconnect(c);
}

/* The head is whole: status, length of the body, whether the server will hang up. 0 when it is no answer we know. */
static int read_head(Connection *c, char *end) {
    *end = 0;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    if (sscanf(c->head, "HTTP/1.1 %d", &c->status) != 1 || c->status < 100 || c->status > 599 || !length) return 0;
    c->closes = strcasestr(c->head, "\r\nconnection: close") != NULL;
    c->body_left = atol(length + strlen("\r\ncontent-length:")) - (long)(c->head + c->have - (end + 4));
    return 1;
}

static void readable(Connection *c) {
    static char sink[1 << 16];
    for (;;) {
        char *into = c->body_left < 0 ? c->head + c->have : sink;
        size_t room = c->body_left < 0 ? HEAD_BYTES - c->have : sizeof sink;
        ssize_t got = c->state == WAITING ? recv(c->fd, into, room, 0) : recv(c->fd, sink, sizeof sink, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (got <= 0 || c->state != WAITING) { /* hung up; between two requests that is its right */
            if (c->state == WAITING) failed(c, &failures);
            else if (c->state == IDLE) c->state = CLOSED;
            return;
        }
        if (c->body_left >= 0) c->body_left -= got;
        else {
            c->have += (size_t)got;
            c->head[c->have] = 0;
            char *end = strstr(c->head, "\r\n\r\n");
            if (!end && c->have < HEAD_BYTES) continue;
            if (!end || !read_head(c, end)) return failed(c, &failures);
        }
        if (c->body_left == 0) return answered(c);
        if (c->body_left < 0) return failed(c, &failures); /* more than it announced */
    }
}

static void ready(Connection *c, unsigned events) {
    if (c->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error && !measuring) { errno = error; die("the server takes no connections"); }
        if (error) return reconnect(c);
        if (!(events & EPOLLOUT)) return;
        if (!measuring && !c->is_probe) established++;
        return release(c);
    }
    if (c->state == WAITING && (events & EPOLLOUT)) push_out(c);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(c);
}

static void turn(double until) { /* wait for events, at most until then */
    struct epoll_event events[READS];
    double left = until - now();
    if (left < 0) left = 0;
    int count;
#ifdef SYS_epoll_pwait2 /* a millisecond is coarse when ten arrivals fall into one */
    struct timespec wait = {(time_t)left, (long)((left - floor(left)) * 1e9)};
    count = (int)syscall(SYS_epoll_pwait2, epoll, events, READS, &wait, NULL, (size_t)0);
    if (count < 0 && errno == ENOSYS)
#endif
        count = epoll_wait(epoll, events, READS, (int)ceil(left * 1e3));
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) ready(events[i].data.ptr, events[i].events);
}

static void sweep(void) { /* who waited too long hangs up */
    double at = now();
    for (long i = 0; i <= pool; i++) {
        Connection *c = &connections[i];
        if (c->state == WAITING && at - c->since > timeout_s) failed(c, &timeouts);
        else if (c->state == CONNECTING && at - c->since > timeout_s) reconnect(c);
    }
}

static void fill(void) { /* connections come slowly: a storm of them would measure the server's accept queue */
    double give_up = now() + 30;
    for (long begun = 0; established < pool;) {
        for (int i = 0; i < CONNECTS_PER_MS && begun < pool; i++) begin_connect(&connections[begun++]);
        turn(now() + 0.001);
        if (now() > give_up) {
            errno = ETIMEDOUT;
            die("the server takes no connections");
        }
    }
}

static void run(double rate) {
    static double backlog[1 << 20]; /* arrivals no connection was free for */
    const long room = 1 << 20;
    long first = 0, waiting = 0;
    double arrival = now(), probe_at = arrival, sweep_at = arrival;
    Connection *probe = &connections[pool];
    double over = count_until + (open_loop ? timeout_s + 0.2 : 0);
    measuring = 1;
    for (long i = 0; i < pool && !open_loop; i++) {
        if (connections[i].state == CLOSED) reconnect(&connections[i]);
        else if (connections[i].state == IDLE) release(&connections[i]);
    }
    for (;;) {
        double at = now();
        for (; open_loop && arrival <= at && arrival < count_until; arrival -= log(1 - drand48()) / rate) {
            if (arrival >= count_from) offered++;
            if (waiting == room) { errno = ENOBUFS; die("the backlog is full"); }
            backlog[(first + waiting++) % room] = arrival;
        }
        while (waiting) {
            double oldest = backlog[first];
            if (at - oldest > timeout_s) {
                if (oldest >= count_from) timeouts++, unsent++;
            } else if (idle_count) {
                Connection *c = idle[idle_first];
                idle_first = (idle_first + 1) % pool, idle_count--;
                if (c->state == CLOSED) { reconnect(c); continue; }
                ask(c, oldest, oldest >= count_from);
            } else break;
            first = (first + 1) % room, waiting--;
        }
        if (at >= probe_at && at < count_until) {
            if (probe->state == IDLE) ask(probe, at, 1);
            else if (probe->state == CLOSED && probe_request.bytes) reconnect(probe);
            probe_at = at + PROBE_EVERY_MS * 1e-3;
        }
        if (at >= sweep_at) sweep(), sweep_at = at + 0.05;
        if (at >= over || (open_loop && at >= count_until && !waiting && idle_count == pool)) break;
        double next = sweep_at < over ? sweep_at : over;
        if (at < count_until && probe_at < next) next = probe_at;
        if (open_loop && arrival < count_until && arrival < next) next = arrival;
        turn(next);
    }
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double rank(const Series *sorted, double share) { /* nearest rank, ms; -1 for none */
    if (!sorted->count) return -1;
    size_t place = (size_t)ceil(share * (double)sorted->count);
    return sorted->values[place ? place - 1 : 0] * 1e3;
}

static void print_series(const char *name, Series *s) {
    qsort(s->values, s->count, sizeof(double), rising);
    printf("\"%s\":{\"count\":%zu,\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f},", name, s->count, rank(s, 0.5),
           rank(s, 0.95), rank(s, 0.99), rank(s, 1));
}

int main(int count, char **given) {
    if (count < 12) {
        fprintf(stderr, "usage: see the head of load.c\n");
        return 2;
    }
    port = atoi(given[1]);
    double seconds = atof(given[3]), warm_up = atof(given[4]), rate = atof(given[6]), slo_s = atof(given[8]) / 1e3;
    pool = atol(given[5]), timeout_s = atof(given[7]), open_loop = rate > 0, bodies = count - 11;
    requests = calloc((size_t)bodies, sizeof *requests);
    connections = calloc((size_t)pool + 1, sizeof *connections);
    idle = calloc((size_t)pool, sizeof(Connection *));
    if (!requests || !connections || !idle) die("memory");
    for (int i = 0; i < bodies; i++) requests[i] = from_file(given[2], given[10], given[11 + i]);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    srand48(1);
    if (strcmp(given[9], "-")) {
        probe_request = compose("GET", given[9], "", "", 0);
        connections[pool].is_probe = 1;
        begin_connect(&connections[pool]);
    }
    fill();
    count_from = now() + warm_up;
    count_until = count_from + seconds;
    run(rate);
    size_t within = 0;
    for (size_t i = 0; i < accepted.count; i++) within += accepted.values[i] <= slo_s;
    printf("{\"seconds\":%.3f,\"offered\":%ld,\"timeouts\":%ld,\"unsent\":%ld,\"failures\":%ld,\"within_slo\":%zu,", seconds,
           offered, timeouts, unsent, failures, within);
    print_series("accepted", &accepted);
    print_series("refused", &refused);
    print_series("expired", &expired);
    print_series("probes", &probes);
    printf("\"probe_failures\":%ld,\"statuses\":{", probe_failures);
    const char *comma = "";
    for (int status = 100; status < 600; status++)
        if (by_status[status]) printf("%s\"%d\":%ld", comma, status, by_status[status]), comma = ",";
    printf("}}\n");
    return 0;
}
