/* ---- relay: between the shims of one build and the coordinator -------------------------------------------------------- */

/* Nothing here waits for one end: what cannot go on is kept, within limits, and who does not read within a limit is dropped,
   which only means that its compile is done at home. */

#define MOST_SHIMS 256
#define MOST_KEPT (256u * 1024 * 1024)          /* bytes for all shims together that they have not read yet                */
#define MOST_OUTGOING (1024 * 1024)             /* bytes for the coordinator; above that no shim is read                    */
#define SLOW_SHIM 60000                         /* milliseconds without reading a byte of what waits for it                 */
#define RELAY_HEADER 12
#define FIRST_ALLOCATED_USER 0x34000000u        /* auto-allocate-uids: Nix gives builds users from here on                  */
#define END_OF_ALLOCATED_USERS 0x34800000u

/* Bytes on their way to one end; what was taken by it is cut off at the front now and then. */
struct queue {
    struct buffer buffer;
    size_t start;
    int64_t progress;                           /* when it last took something, or became non-empty                         */
};

struct peer {
    int socket;
    uint32_t connection;
    unsigned char *frame;                       /* header and payload, as far as they came                                  */
    size_t received;
    struct queue queue;
};

struct relay {
    int listener;
    struct peer peers[MOST_SHIMS];
    int count;
    uint32_t next_connection;
    size_t kept;                                /* bytes in the peers' queues                                               */
    struct queue outgoing;                      /* to the coordinator                                                       */
    unsigned char incoming[RELAY_HEADER + MOST_FROM_COORDINATOR];
    size_t received;
    gid_t group;                                /* of the build users                                                       */
    bool has_group, ended;
};

static volatile sig_atomic_t broker_stops;

static void stop_broker(int number)
{
    (void)number;
    broker_stops = 1;
}

static size_t queue_length(const struct queue *queue)
{
    return queue->buffer.length - queue->start;
}

static bool enqueue(struct queue *queue, const void *bytes, size_t count)
{
    if (!queue_length(queue)) {
        queue->buffer.length = queue->start = 0;
        queue->progress = now_in_milliseconds();
    }
    append(&queue->buffer, bytes, count);
    return !queue->buffer.failed;
}

/* Gives an end what it takes now; false when it is gone. */
static bool drain(struct queue *queue, int descriptor, bool is_socket)
{
    while (queue_length(queue)) {
        const unsigned char *next = queue->buffer.bytes + queue->start;
        ssize_t count = is_socket ? send(descriptor, next, queue_length(queue), MSG_DONTWAIT | MSG_NOSIGNAL)
                                  : write(descriptor, next, queue_length(queue));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (count <= 0)
            return false;
        queue->start += (size_t)count;
        queue->progress = now_in_milliseconds();
    }
    if (!queue_length(queue))
        release(&queue->buffer), queue->start = 0;
    else if (queue->start > 1024 * 1024) {
        queue->buffer.length -= queue->start;
        memmove(queue->buffer.bytes, queue->buffer.bytes + queue->start, queue->buffer.length);
        queue->start = 0;
    }
    return true;
}

static void relay_frame(struct relay *relay, uint32_t connection, const unsigned char *frame, size_t length)
{
    unsigned char number[4];
    encode_u32(number, connection);
    if (!enqueue(&relay->outgoing, number, 4) || !enqueue(&relay->outgoing, frame, length))
        relay->ended = true;                    /* no memory: better none than half a frame                                 */
}

/* Ends a connection, and tells the coordinator. Whoever is last takes the place that is free. */
static void drop(struct relay *relay, int at)
{
    static const unsigned char closed[FRAME_HEADER];           /* type 0, length 0                                          */
    struct peer *peer = &relay->peers[at];
    relay_frame(relay, peer->connection, closed, sizeof closed);
    close(peer->socket);
    relay->kept -= queue_length(&peer->queue);
    release(&peer->queue.buffer);
    free(peer->frame);
    *peer = relay->peers[--relay->count];
}

static bool may_connect(const struct relay *relay, int socket)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) || length != sizeof peer)
        return false;
    return peer.uid == 0 || peer.uid == geteuid() || (relay->has_group && peer.gid == relay->group)
        || (peer.uid >= FIRST_ALLOCATED_USER && peer.uid < END_OF_ALLOCATED_USERS);
}

static void accept_shim(struct relay *relay)
{
    int socket = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0)
        return;
    unsigned char *frame = relay->count < MOST_SHIMS && may_connect(relay, socket) ? malloc(FRAME_HEADER + MOST_FROM_SHIM) : NULL;
    if (!frame) {
        close(socket);
        return;
    }
    relay->peers[relay->count++] = (struct peer){ .socket = socket, .connection = relay->next_connection++, .frame = frame };
    if (!relay->next_connection)
        relay->ended = true;                    /* numbers are never used again                                             */
}

/* Reads what a shim has sent, one frame at most; false when it is to be dropped. */
static bool read_shim(struct relay *relay, struct peer *peer)
{
    for (;;) {
        size_t wanted = FRAME_HEADER;
        if (peer->received >= FRAME_HEADER) {
            uint32_t type = decode_u32(peer->frame), length = decode_u32(peer->frame + 4);
            if (type == CLOSED || length > MOST_FROM_SHIM)
                return false;
            wanted += length;
            if (peer->received == wanted) {
                relay_frame(relay, peer->connection, peer->frame, wanted);
                peer->received = 0;
                return true;
            }
        }
        ssize_t count = recv(peer->socket, peer->frame + peer->received, wanted - peer->received, MSG_DONTWAIT);
        if (count > 0)
            peer->received += (size_t)count;
        else if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            return false;
        else if (errno != EINTR)
            return true;
    }
}

static int find_peer(const struct relay *relay, uint32_t connection)
{
    for (int i = 0; i < relay->count; i++)
        if (relay->peers[i].connection == connection)
            return i;
    return -1;
}

/* A frame of the coordinator. One for a connection that has ended meanwhile is nobody's. */
static void deliver(struct relay *relay, const unsigned char *frame, size_t length)
{
    int at = find_peer(relay, decode_u32(frame));
    if (at < 0)
        return;
    struct peer *peer = &relay->peers[at];
    size_t count = length - 4;
    if (decode_u32(frame + 4) == CLOSED || relay->kept + count > MOST_KEPT || !enqueue(&peer->queue, frame + 4, count)) {
        drop(relay, at);
        return;
    }
    relay->kept += count;
}

static void read_coordinator(struct relay *relay)
{
    for (;;) {
        size_t wanted = RELAY_HEADER;
        if (relay->received >= RELAY_HEADER) {
            uint32_t length = decode_u32(relay->incoming + 8);
            if (length > MOST_FROM_COORDINATOR) {
                relay->ended = true;
                return;
            }
            wanted += length;
            if (relay->received == wanted) {
                deliver(relay, relay->incoming, wanted);
                relay->received = 0;
                return;
            }
        }
        ssize_t count = read(0, relay->incoming + relay->received, wanted - relay->received);
        if (count > 0)
            relay->received += (size_t)count;
        else if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
            relay->ended = true;
            return;
        }
        else if (errno != EINTR)
            return;
    }
}

/* Gives the shims what waits for them, and drops those that are gone or do not read. */
static void drain_shims(struct relay *relay)
{
    for (int i = relay->count - 1; i >= 0; i--) {
        struct peer *peer = &relay->peers[i];
        size_t before = queue_length(&peer->queue);
        if (!before)
            continue;
        bool is_there = drain(&peer->queue, peer->socket, true);
        relay->kept -= before - queue_length(&peer->queue);
        bool is_slow = queue_length(&peer->queue) && now_in_milliseconds() - peer->queue.progress > SLOW_SHIM;
        if (!is_there || is_slow)
            drop(relay, i);
    }
}

static void relay_frames(struct relay *relay, const sigset_t *signals)
{
    struct pollfd wanted[3 + MOST_SHIMS];
    while (!relay->ended && !broker_stops) {
        bool is_full = queue_length(&relay->outgoing) >= MOST_OUTGOING;
        int count = relay->count;
        wanted[0] = (struct pollfd){ .fd = 0, .events = POLLIN };
        wanted[1] = (struct pollfd){ .fd = queue_length(&relay->outgoing) ? 1 : -1, .events = POLLOUT };
        wanted[2] = (struct pollfd){ .fd = is_full ? -1 : relay->listener, .events = POLLIN };
        for (int i = 0; i < count; i++) {
            short events = (short)((is_full ? 0 : POLLIN) | (queue_length(&relay->peers[i].queue) ? POLLOUT : 0));
            wanted[3 + i] = (struct pollfd){ .fd = events ? relay->peers[i].socket : -1, .events = events };
        }
        static const struct timespec look_for_slow_ones = { .tv_sec = 5 };
        if (ppoll(wanted, (nfds_t)(3 + count), &look_for_slow_ones, signals) < 0) {
            if (errno == EINTR)
                continue;
            return;
        }
        for (int i = count - 1; i >= 0; i--)    /* backwards, since drop moves the last one                                 */
            if (wanted[3 + i].revents & ~POLLOUT && !is_full && !read_shim(relay, &relay->peers[i]))
                drop(relay, i);
        if (wanted[0].revents)
            read_coordinator(relay);
        drain_shims(relay);
        if (wanted[2].revents)
            accept_shim(relay);
        if (!drain(&relay->outgoing, 1, false))
            return;
    }
}
