/* ---- bytes: growing buffers, bounded reading, whole files ------------------------------------------------------------ */

/* A buffer that grows. It remembers that memory ran out, so that one look at the end is enough. */
struct buffer {
    unsigned char *bytes;
    size_t length, capacity;
    bool failed;
};

/* What is left to be read of something that others wrote. It remembers that something was missing or too long. */
struct reader {
    const unsigned char *bytes;
    size_t left;
    bool failed;
};

static bool reserve(struct buffer *buffer, size_t more)
{
    if (buffer->failed || more > SIZE_MAX / 4 || buffer->length > SIZE_MAX / 4) {
        buffer->failed = true;
        return false;
    }
    size_t wanted = buffer->length + more;
    if (wanted <= buffer->capacity)
        return true;
    size_t capacity = wanted + wanted / 2 + 256;
    unsigned char *bytes = realloc(buffer->bytes, capacity);
    if (!bytes) {
        buffer->failed = true;
        return false;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

static void append(struct buffer *buffer, const void *bytes, size_t count)
{
    if (!reserve(buffer, count))
        return;
    if (count)
        memcpy(buffer->bytes + buffer->length, bytes, count);
    buffer->length += count;
}

static void encode_u32(unsigned char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t decode_u32(const unsigned char *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static void append_u32(struct buffer *buffer, uint32_t value)
{
    unsigned char bytes[4];
    encode_u32(bytes, value);
    append(buffer, bytes, 4);
}

static void append_u64(struct buffer *buffer, uint64_t value)
{
    append_u32(buffer, (uint32_t)value);
    append_u32(buffer, (uint32_t)(value >> 32));
}

static void append_blob(struct buffer *buffer, const void *bytes, size_t count)
{
    if (count > UINT32_MAX) {
        buffer->failed = true;
        return;
    }
    append_u32(buffer, (uint32_t)count);
    append(buffer, bytes, count);
}

static void append_string(struct buffer *buffer, const char *string)
{
    append_blob(buffer, string, strlen(string));
}

static void release(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){ 0 };
}

static const unsigned char *take(struct reader *reader, size_t count)
{
    if (reader->failed || count > reader->left) {
        reader->failed = true;
        return NULL;
    }
    const unsigned char *bytes = reader->bytes;
    reader->bytes += count;
    reader->left -= count;
    return bytes;
}

static uint32_t take_u32(struct reader *reader)
{
    const unsigned char *bytes = take(reader, 4);
    return bytes ? decode_u32(bytes) : 0;
}

static uint64_t take_u64(struct reader *reader)
{
    uint64_t low = take_u32(reader);
    return low | (uint64_t)take_u32(reader) << 32;
}

/* A string of its own memory, or NULL: one that holds a zero byte would be cut short, so it is refused. */
static char *take_string(struct reader *reader)
{
    uint32_t length = take_u32(reader);
    const unsigned char *bytes = take(reader, length);
    char *string = bytes && !memchr(bytes, 0, length) ? malloc((size_t)length + 1) : NULL;
    if (!string) {
        reader->failed = true;
        return NULL;
    }
    memcpy(string, bytes, length);
    string[length] = 0;
    return string;
}

/* u32 count, then as many strings; NULL behind the last. `front` places are left free before the first. Each string has
   at least four bytes, which bounds the count by what is there. */
static char **take_strings(struct reader *reader, uint32_t *count, uint32_t front)
{
    *count = take_u32(reader);
    if (reader->failed || *count > reader->left / 4) {
        reader->failed = true;
        return NULL;
    }
    char **strings = calloc((size_t)front + *count + 1, sizeof *strings);
    if (!strings) {
        reader->failed = true;
        return NULL;
    }
    for (uint32_t i = 0; i < *count && !reader->failed; i++)
        strings[front + i] = take_string(reader);
    return strings;
}

/* All that comes from a descriptor, up to a limit; false when it is more, or cannot be read. */
static bool read_all(int descriptor, struct buffer *buffer, size_t limit)
{
    size_t start = buffer->length;
    for (;;) {
        if (!reserve(buffer, 65536))
            return false;
        ssize_t count = read(descriptor, buffer->bytes + buffer->length, buffer->capacity - buffer->length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count == 0;
        buffer->length += (size_t)count;
        if (buffer->length - start > limit)
            return false;
    }
}

static bool read_file(const char *name, struct buffer *buffer, size_t limit)
{
    int descriptor = open(name, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    bool whole = read_all(descriptor, buffer, limit);
    close(descriptor);
    return whole;
}

static bool write_all(int descriptor, const void *bytes, size_t count)
{
    const unsigned char *next = bytes;
    while (count) {
        ssize_t written = write(descriptor, next, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {     /* a pipe that others have set so                */
            struct pollfd room = { .fd = descriptor, .events = POLLOUT };
            poll(&room, 1, -1);
            continue;
        }
        if (written <= 0)
            return false;
        next += written;
        count -= (size_t)written;
    }
    return true;
}

/* A new file with these bytes; false when there is one of that name already. */
static bool write_file(const char *name, const void *bytes, size_t count)
{
    int descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return false;
    bool whole = write_all(descriptor, bytes, count);
    return close(descriptor) == 0 && whole;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The compilers proper that are shared. */
static bool is_tool(const char *name)
{
    return !strcmp(name, "cc1") || !strcmp(name, "cc1plus");
}

static bool starts_with(const char *string, const char *prefix)
{
    return !strncmp(string, prefix, strlen(prefix));
}

static bool ends_with(const char *string, const char *suffix)
{
    size_t length = strlen(string), wanted = strlen(suffix);
    return length >= wanted && !strcmp(string + length - wanted, suffix);
}

/* Microseconds of processor time that this process, or its children that have ended, took. */
static uint64_t processor_time(int who)
{
    struct rusage usage;
    if (getrusage(who, &usage))
        return 0;
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000
        + (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int64_t now_in_milliseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}
