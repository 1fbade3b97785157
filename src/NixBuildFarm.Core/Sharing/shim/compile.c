/* ---- compile: in the place of cc1 and cc1plus ------------------------------------------------------------------------ */

#define LONGEST_IN_ALL 3600000                  /* milliseconds that a shim waits for others                                */
#define MOST_OUTPUT (256u * 1024 * 1024)

struct conversation {
    struct command *command;
    char original[128];             /* the compiler that this stands for                                                    */
    int socket;                     /* to the broker, or -1                                                                 */
    int64_t end;                    /* when patience ends in all                                                            */
    int64_t deadline;               /* when it ends unless a frame comes                                                    */
};

/* The original with the arguments, environment, signals and descriptors that this was called with. The socket stays open
   in it, so that the broker sees the end of the compile; where the coordinator did not ask for it, it learns the reason. */
_Noreturn static void compile_at_home(struct conversation *conversation, const char *why)
{
    int socket = conversation->socket;
    if (socket >= 0) {
        struct buffer reason = { 0 };
        append_string(&reason, why ? why : "");
        if (why && !send_frame(socket, LOCAL, &reason, now_in_milliseconds() + 1000))
            close(socket);
        else
            fcntl(socket, F_SETFD, 0);
    }
    execv(conversation->original, conversation->command->arguments);
    fprintf(stderr, "%s: cannot run %s: %s\n", conversation->command->tool, conversation->original, strerror(errno));
    _exit(127);
}

/* Never waits: where the broker's queue is full, it is ill, and the compile is better begun. */
static int connect_to_broker(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = BROKER_SOCKET };
    int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (end >= 0 && connect(end, (const struct sockaddr *)&address, sizeof address) == 0)
        return end;
    if (end >= 0)
        close(end);
    return -1;
}

static int64_t patience(const struct conversation *conversation, int64_t milliseconds)
{
    int64_t deadline = now_in_milliseconds() + milliseconds;
    return deadline < conversation->end ? deadline : conversation->end;
}

static void tell(struct conversation *conversation, enum frame_type type, const struct buffer *payload)
{
    if (!send_frame(conversation->socket, type, payload, patience(conversation, LATER_SILENCE)))
        compile_at_home(conversation, "the coordinator cannot be reached");
    conversation->deadline = patience(conversation, LATER_SILENCE);
}

/* The next frame that is no Wait. Local, silence and the end of the connection are ends here. */
static uint32_t hear(struct conversation *conversation, struct buffer *payload)
{
    for (;;) {
        uint32_t type;
        if (!receive_frame(conversation->socket, &type, payload, conversation->deadline))
            compile_at_home(conversation, "the coordinator said nothing in time");
        conversation->deadline = patience(conversation, LATER_SILENCE);
        if (type == LOCAL)
            compile_at_home(conversation, NULL);
        if (type != WAIT)
            return type;
        struct reader reader = { payload->bytes, payload->length, false };
        uint32_t seconds = take_u32(&reader);
        if (reader.failed || reader.left || seconds < 1 || seconds > 3600)
            compile_at_home(conversation, "the coordinator sent a frame that is not understood");
        conversation->deadline = patience(conversation, (int64_t)seconds * 1000);
    }
}

static void say_hello(struct conversation *conversation)
{
    struct command *command = conversation->command;
    struct buffer hello = { 0 };
    append_string(&hello, command->tool);
    append_string(&hello, command->source ? command->source : "");
    append_string(&hello, command->role == SHARED ? "" : command->why);
    conversation->deadline = patience(conversation, FIRST_SILENCE);
    if (!send_frame(conversation->socket, HELLO, &hello, conversation->deadline))
        compile_at_home(conversation, "the coordinator cannot be reached");
    release(&hello);
}

/* Sends the bytes in chunks. `head` numbers come before the mark of the last chunk: the index of a file, or none. */
static void send_chunks(struct conversation *conversation, enum frame_type type, const uint32_t *index, const struct buffer *bytes)
{
    struct buffer chunk = { 0 };
    size_t at = 0, most = MOST_FROM_SHIM - 8;
    do {
        size_t count = bytes->length - at < most ? bytes->length - at : most;
        chunk.length = 0;
        if (index)
            append_u32(&chunk, *index);
        append_u32(&chunk, at + count == bytes->length);
        append(&chunk, bytes->bytes + at, count);
        tell(conversation, type, &chunk);
        at += count;
    } while (at < bytes->length);
    release(&chunk);
}

/* The contents that the coordinator wants, in its order. */
static void send_contents(struct conversation *conversation, const struct unit *unit, const struct buffer *wanted)
{
    struct reader reader = { wanted->bytes, wanted->length, false };
    uint32_t *sent = calloc(unit->count + 1, sizeof *sent);         /* the files that are sent by index                      */
    uint32_t files = 0;
    for (uint32_t i = 0; sent && i < unit->count; i++)
        if (!unit->files[i].is_in_store)
            sent[files++] = i;
    uint32_t count = take_u32(&reader);
    if (!sent || reader.failed || count > files || reader.left != (size_t)count * 4)
        compile_at_home(conversation, "the coordinator sent a frame that is not understood");
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = take_u32(&reader);
        if (index >= files)
            compile_at_home(conversation, "the coordinator asked for a file that is not there");
        send_chunks(conversation, CONTENT, &index, &unit->files[sent[index]].content);
    }
    free(sent);
}

/* What sharing has cost here: the coordinator weighs it against what it has saved. */
static void tell_cost(struct conversation *conversation)
{
    struct buffer cost = { 0 };
    append_u64(&cost, processor_time(RUSAGE_CHILDREN));
    append_u64(&cost, processor_time(RUSAGE_SELF));
    send_frame(conversation->socket, SPENT, &cost, now_in_milliseconds() + 1000);
    release(&cost);
}

/* Everything is there before the first byte is written: until then, the way home is open. */
static void take_over(struct conversation *conversation, const struct buffer *output, const struct buffer *result)
{
    struct reader reader = { result->bytes, result->length, false };
    uint32_t code = take_u32(&reader), length = take_u32(&reader);
    const unsigned char *messages = take(&reader, length);
    if (reader.failed || reader.left)
        compile_at_home(conversation, "the coordinator sent a frame that is not understood");
    if (code)
        compile_at_home(conversation, "it did not succeed elsewhere");

    const char *name = conversation->command->arguments[conversation->command->output];
    if (!strcmp(name, "-")) {
        if (!write_all(1, output->bytes, output->length)) {         /* as from the original: a reader that ended ends this  */
            fprintf(stderr, "%s: fatal error: error writing to -: %s\n", conversation->command->tool, strerror(errno));
            _exit(1);
        }
    }
    else {
        int descriptor = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        bool written = descriptor >= 0 && write_all(descriptor, output->bytes, output->length);
        if (descriptor >= 0 && close(descriptor))
            written = false;
        if (!written)
            compile_at_home(conversation, "its output cannot be written");
    }
    write_all(2, messages, length);
    tell_cost(conversation);
    _exit(0);
}

static void share(struct conversation *conversation)
{
    struct buffer text = { 0 }, description = { 0 }, frame = { 0 }, output = { 0 };
    struct command *command = conversation->command;
    struct unit unit = { 0 };
    unsigned char digest[SHA256_SIZE];
    extern char **environ;
    if (!scan(conversation->original, command->arguments, command->count, command->output, environ, &text))
        compile_at_home(conversation, "its text cannot be scanned");
    if (!read_unit(&unit, &text))
        compile_at_home(conversation, unit.why);
    sha256(&text, digest);
    release(&text);
    if (!describe(&description, &unit, command, digest))
        compile_at_home(conversation, unit.why);
    send_chunks(conversation, UNIT, NULL, &description);
    release(&description);

    bool may_ask = true, has_output = false;
    for (;;) {
        uint32_t type = hear(conversation, &frame);
        if (type == SEND && may_ask)
            send_contents(conversation, &unit, &frame);
        else if (type == OUTPUT && output.length + frame.length <= MOST_OUTPUT) {
            append(&output, frame.bytes, frame.length);
            has_output = true;
        }
        else if (type == RESULT && has_output && !output.failed)
            take_over(conversation, &output, &frame);
        else
            compile_at_home(conversation, type == RESULT ? "it has no output" : "the coordinator sent a frame that is not understood");
        may_ask = false;
    }
}

/* The standard descriptors are open: otherwise what is opened here would take their place. */
static bool has_standard_descriptors(void)
{
    return fcntl(0, F_GETFD) >= 0 && fcntl(1, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0;
}

_Noreturn static void compile(int count, char **arguments)
{
    struct command command;
    bool is_read = read_command(&command, count, arguments);
    struct conversation conversation = { .command = &command, .socket = -1 };
    command.arguments = arguments;
    command.tool = base_name(arguments[0]);
    snprintf(conversation.original, sizeof conversation.original, ORIGINAL_FOLDER "/%s", command.tool);
    if (!is_read || command.role == NO_COMPILE || !has_standard_descriptors())
        compile_at_home(&conversation, NULL);
    conversation.socket = connect_to_broker();
    if (conversation.socket < 0)
        compile_at_home(&conversation, NULL);
    conversation.end = now_in_milliseconds() + LONGEST_IN_ALL;
    say_hello(&conversation);

    struct buffer frame = { 0 };
    uint32_t type = hear(&conversation, &frame);
    if (type != DESCRIBE || command.role != SHARED)
        compile_at_home(&conversation, "the coordinator sent a frame that is not understood");
    release(&frame);
    share(&conversation);
    compile_at_home(&conversation, NULL);       /* not reached: share ends the process                                      */
}
