/* ---- frames: what the shim, its broker and the coordinator say to each other ----------------------------------------- */

/* u32 type, u32 length, payload; between broker and coordinator u32 connection in front. All numbers little-endian. */
enum frame_type {
    CLOSED = 0,     /* the shim's end is gone; or: drop it                                                                  */
    HELLO = 1,      /* shim: str tool, str source, str why it has to stay at home ("" when it may be shared)                */
    LOCAL = 2,      /* coordinator: compile at home. Shim: it does so by its own decision, str why                          */
    DESCRIBE = 3,   /* coordinator: describe the unit                                                                       */
    UNIT = 4,       /* shim: u32 is last, a chunk of the description                                                        */
    SEND = 5,       /* coordinator: u32 count, u32 index…: the contents of these files are wanted                           */
    CONTENT = 6,    /* shim: u32 index, u32 is last, a chunk of the content                                                 */
    OUTPUT = 7,     /* coordinator: a chunk of the output                                                                   */
    RESULT = 8,     /* coordinator: u32 exit code, blob stderr                                                              */
    WAIT = 9,       /* coordinator: u32 seconds for which the shim is to be patient                                         */
    SPENT = 10,     /* shim, after a result: u64, u64 microseconds of processor time for reading the text, and for the rest */
};

#define FRAME_HEADER 8
#define MOST_FROM_COORDINATOR (1024 * 1024)     /* payload */
#define MOST_FROM_SHIM (64 * 1024)              /* payload: the broker keeps a buffer of that size for each shim */

/* Waits until the descriptor is ready, or the time has come. */
static bool await(int descriptor, short events, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - now_in_milliseconds();
        if (left <= 0)
            return false;
        struct pollfd wanted = { .fd = descriptor, .events = events };
        int ready = poll(&wanted, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
}

static bool receive_bytes(int socket, unsigned char *bytes, size_t count, int64_t deadline)
{
    while (count) {
        ssize_t received = recv(socket, bytes, count, MSG_DONTWAIT);
        if (received == 0)
            return false;
        if (received > 0) {
            bytes += received;
            count -= (size_t)received;
        }
        else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!await(socket, POLLIN, deadline))
                return false;
        }
        else if (errno != EINTR)
            return false;
    }
    return true;
}

static bool send_bytes(int socket, const unsigned char *bytes, size_t count, int64_t deadline)
{
    while (count) {
        ssize_t sent = send(socket, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes += sent;
            count -= (size_t)sent;
        }
        else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!await(socket, POLLOUT, deadline))
                return false;
        }
        else if (errno != EINTR)
            return false;
    }
    return true;
}

static bool send_frame(int socket, enum frame_type type, const struct buffer *payload, int64_t deadline)
{
    unsigned char header[FRAME_HEADER];
    if (payload->failed || payload->length > MOST_FROM_SHIM)
        return false;
    encode_u32(header, type);
    encode_u32(header + 4, (uint32_t)payload->length);
    return send_bytes(socket, header, sizeof header, deadline) && send_bytes(socket, payload->bytes, payload->length, deadline);
}

/* The next frame of the coordinator; its payload replaces what is in the buffer. */
static bool receive_frame(int socket, uint32_t *type, struct buffer *payload, int64_t deadline)
{
    unsigned char header[FRAME_HEADER];
    if (!receive_bytes(socket, header, sizeof header, deadline))
        return false;
    *type = decode_u32(header);
    uint32_t length = decode_u32(header + 4);
    payload->length = 0;
    if (length > MOST_FROM_COORDINATOR || !reserve(payload, length) || !receive_bytes(socket, payload->bytes, length, deadline))
        return false;
    payload->length = length;
    return true;
}
